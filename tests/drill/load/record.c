/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "tests/drill/load/load.h"

uint64_t load_now_us(void)
{
    return stats_now_ns() / 1000u;
}

static const char *const outcomes[] = {
    [OUTCOME_OK] = "ok",       [OUTCOME_ERROR] = "error", [OUTCOME_LOST] = "lost",
    [OUTCOME_WRONG] = "wrong", [OUTCOME_STALE] = "stale", [OUTCOME_UNANSWERED] = "unanswered",
};

void record_write(struct visitor *visitor, const char *kind, enum outcome outcome, unsigned code,
                  const char *text)
{
    FILE *out = visitor->load->record;

    (void)fprintf(out, "%" PRIu64 ",%" PRIu64 ",%u,%s,%" PRId64 ",%u,%s,%u,", visitor->begun_us,
                  load_now_us(), visitor->number, kind, visitor->id, visitor->step,
                  outcomes[outcome], code);
    for (const char *c = text == NULL ? "" : text; *c != '\0'; c++) {
        (void)putc(*c == ',' || *c == '"' || *c < ' ' ? ' ' : *c, out);
    }
    (void)putc('\n', out);
    visitor->load->n_records++;
}
