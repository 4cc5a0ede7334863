/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_figures_read.c - what another thread gets when it asks the workers.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "proxy/figures_read.h"
#include "tests/unit/figures_workers.h"
#include "tests/unit/test.h"

static const struct figures_copy *only_copy(const struct figures_report *report)
{
    assert_int_equal(report->n_workers, 1);
    assert_int_equal(report->n_missing, 0);
    assert_non_null(report->copies[0]);
    return report->copies[0];
}

TEST(figures_read_gives_what_is_asked_for)
{
    struct one_worker o;
    struct figures_report report;
    const struct figures_copy *copy;
    const struct figures_digest *d;

    one_worker_make(&o);
    one_worker_count(&o, "SELECT 1", 10);
    one_worker_count(&o, "SELECT 2", 30);
    one_worker_run(&o);
    figures_read(&o.galeway, READ_DIGESTS | READ_SITES, 0, &report);
    copy = only_copy(&report);
    assert_int_equal(copy->digests.n, 1);
    d = copy->digests.items;
    assert_int_equal(d->count, 2);
    assert_string_equal(d->text->bytes, "SELECT ?");
    assert_int_equal(copy->sites.n, 1);
    assert_int_equal(copy->errors.n + copy->traffic.n + copy->clients.n, 0);
    figures_report_fini(&report);
    figures_read(&o.galeway, READ_COMMANDS | READ_TOTALS, 0, &report);
    copy = only_copy(&report);
    assert_int_equal(copy->commands[FIGURES_SELECT].count, 2);
    assert_int_equal(copy->totals.digests, 1);
    assert_int_equal(copy->digests.n, 0);
    figures_report_fini(&report);
    one_worker_end(&o, true);
}

TEST(figures_read_with_reset_starts_from_zero)
{
    struct one_worker o;
    struct figures_report first, second;

    one_worker_make(&o);
    one_worker_count(&o, "SELECT 1", 10);
    one_worker_run(&o);
    figures_read(&o.galeway, READ_DIGESTS, READ_DIGESTS, &first);
    assert_int_equal(only_copy(&first)->digests.n, 1);
    figures_read(&o.galeway, READ_DIGESTS, 0, &second);
    assert_int_equal(only_copy(&second)->digests.n, 0);
    figures_report_fini(&second);
    figures_report_fini(&first);
    one_worker_end(&o, true);
}

/*
 * The worker does not answer: its part is missing; it comes late and must neither copy nor lose
 * anything.
 */
TEST(figures_read_does_not_wait_for_a_stuck_worker)
{
    struct one_worker o;
    struct figures_report report;
    uint64_t began;

    one_worker_make(&o);
    one_worker_count(&o, "SELECT 1", 10);
    began = clock_now_ms();
    figures_read(&o.galeway, READ_DIGESTS, READ_DIGESTS, &report);
    assert_true(clock_now_ms() - began >= FIGURES_READ_MS);
    assert_int_equal(report.n_missing, 1);
    assert_null(report.copies[0]);
    figures_report_fini(&report);
    one_worker_run(&o);
    figures_read(&o.galeway, READ_DIGESTS, 0, &report);
    assert_int_equal(only_copy(&report)->digests.n, 1);
    figures_report_fini(&report);
    one_worker_end(&o, true);
}

TEST(figures_read_mail_of_a_worker_that_ended_is_freed)
{
    struct one_worker o;
    struct figures_report report;

    one_worker_make(&o);
    figures_read(&o.galeway, READ_TOTALS, 0, &report);
    assert_int_equal(report.n_missing, 1);
    figures_report_fini(&report);
    one_worker_end(&o, false);
}
