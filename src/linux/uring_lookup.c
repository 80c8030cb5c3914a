/*
 * Look-ups. A name is asked for on a thread that owns its record, so that a look-up can be left
 * while the C library still waits for a name server: it then ends unheard. Not on the pool, which
 * it could keep from all others.
 *
 * Threads: run is the look-up's own; the rest is the loop's. A record is the look-up's from run to
 * its coming home, and the thread's alone once it was left.
 */
#include "uring.h"

#include <errno.h>

#include "../pool/strays.h"
#include "../posix/lookup.h"

typedef struct uring_lookup {
    cedi_stray stray; /* first */
    cedi_lookup ask;
    uring_job *job; /* unless it was left */
    struct uring_lookup *next_free;
    void (*looking)(void *, const char *);
    void *looking_context;
} uring_lookup;

static void run(cedi_stray *stray)
{
    uring_lookup *self = (uring_lookup *)stray;
    if (self->looking)
        self->looking(self->looking_context, self->ask.host);
    cedi_lookup_perform(&self->ask);
}

static void forsaken(cedi_stray *stray)
{
    uring_lookup *self = (uring_lookup *)stray;
    if (CEDI_FAULT(LEFT_LOOKUP_LEAKS))
        return;
    cedi_lookup_free(&self->ask);
    cedi_memory_free(self);
}

static cede_status tell(uring *self, const cedi_lookup *ask, const cede_args *args, uint64_t token,
                        int32_t *os_error, uint64_t *count)
{
    cede_status status;
    cede_core_touch(self->core, token, true);
    status = cedi_lookup_tell(ask, args, os_error, count);
    cede_core_touch(self->core, token, false);
    return status;
}

static void report(uring *self, uint64_t token, cede_status status, int32_t os_error,
                   uint64_t count)
{
    self->works--;
    cede_core_done(self->core, token, status, os_error, status ? 0 : count);
}

static uring_lookup *lookup_new(uring *self, const cede_work *work)
{
    uring_lookup *lookup = self->lookups_free;
    if (lookup)
        self->lookups_free = lookup->next_free;
    else
        lookup = cedi_memory_get(sizeof *lookup);
    if (!lookup)
        return NULL;
    cedi_lookup_ask(&lookup->ask, work->args);
    lookup->stray.run = run;
    lookup->stray.forsaken = forsaken;
    lookup->looking = self->config.looking;
    lookup->looking_context = self->config.looking_context;
    return lookup;
}

static void lookup_free(uring *self, uring_lookup *lookup)
{
    cedi_lookup_free(&lookup->ask);
    lookup->next_free = self->lookups_free;
    self->lookups_free = lookup;
}

bool cedi_uring_start_lookup(uring *self, const cede_work *work)
{
    uring_lookup *lookup;
    uring_job *job;
    cede_status status;
    if (!self->strays)
        self->strays = cedi_strays_open(self->pool);
    job = self->strays ? cedi_uring_job_new(self, work, URING_LOOKUP) : NULL;
    if (!job)
        return cedi_uring_no_record(self, work);
    lookup = lookup_new(self, work);
    if (!lookup) {
        cedi_uring_job_free(self, job);
        return cedi_uring_no_record(self, work);
    }
    job->lookup = lookup;
    lookup->job = job;
    status = cedi_strays_run(self->strays, &lookup->stray);
    if (status == CEDE_OK)
        return true;
    lookup_free(self, lookup);
    cedi_uring_job_free(self, job);
    report(self, work->token, status, EAGAIN, 0);
    return true;
}

void cedi_uring_lookup_came_home(uring *self, cedi_pool_job *home)
{
    uring_lookup *lookup = (uring_lookup *)home;
    uring_job *job = lookup->job;
    uint64_t token = job->token, count;
    int32_t os_error;
    cede_status status = tell(self, &lookup->ask, &job->work.args, token, &os_error, &count);
    lookup_free(self, lookup);
    cedi_uring_job_free(self, job);
    report(self, token, status, os_error, count);
}

int cedi_uring_lookup_cancel(uring *self, uring_job *job)
{
    uint64_t token = job->token;
    uring_lookup *lookup = job->lookup;
    if (CEDI_FAULT(LOOKUP_IS_AWAITED) ||
        (!CEDI_FAULT(LEFT_ANSWER_IS_TOLD) && !cedi_strays_leave(self->strays, &lookup->stray)))
        return CEDE_CANCEL_NEVER;
    cedi_uring_job_free(self, job);
    report(self, token, CEDE_ECANCELED, ECANCELED, 0);
    return CEDE_CANCEL_SENT;
}

void cedi_uring_lookups_free(uring *self)
{
    cedi_strays_close(self->strays);
    while (self->lookups_free) {
        uring_lookup *next = ((uring_lookup *)self->lookups_free)->next_free;
        cedi_memory_free(self->lookups_free);
        self->lookups_free = next;
    }
}
