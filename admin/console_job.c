/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console_job.c - an answer that is made on one of libuv's threads while the console serves others.
 */
#include "admin/console_client.h"
#include "base/mem.h"

struct console_job {
    uv_work_t request;
    struct console_client *client; /* NULL = it has left */
    struct reply_job *work;        /* owned */
    struct reply reply;            /* the thread's until it has ended */
    enum wire_form form;
};

static void on_work(uv_work_t *request)
{
    struct console_job *job = CONTAINER_OF(request, struct console_job, request);

    job->work->run(job->work, &job->reply);
}

static void on_done(uv_work_t *request, int status)
{
    struct console_job *job = CONTAINER_OF(request, struct console_job, request);
    struct console_client *c = job->client;

    (void)status; /* cancelled: then there is no client, either */
    job->work->free(job->work);
    if (c == NULL) {
        reply_fini(&job->reply);
    } else {
        c->job = NULL;
        console_answer(c, &job->reply, job->form);
        if (c->state == CONSOLE_IDLE) {
            console_input(c);
        }
    }
    mem_free(MEM_ADMIN, job);
}

void console_job_begin(struct console_client *c, struct reply_job *work, enum wire_form form)
{
    struct console_job *job = mem_new(MEM_ADMIN, sizeof(*job));

    CHECK(c->job == NULL);
    job->client = c;
    job->work = work;
    job->form = form;
    c->job = job;
    if (c->state == CONSOLE_IDLE) {
        console_client_to(c, CONSOLE_ANSWERING);
    }
    CHECK(uv_queue_work(c->core->streams.uv, &job->request, on_work, on_done) == 0);
}

void console_job_leave(struct console_client *c)
{
    struct console_job *job = c->job;

    if (job != NULL) {
        job->client = NULL;
        c->job = NULL;
        atomic_store(&job->work->is_abandoned, true);
        (void)uv_cancel((uv_req_t *)&job->request); /* one that runs ends by itself */
    }
}
