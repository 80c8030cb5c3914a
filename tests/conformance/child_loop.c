/*
 * What a child does that has a loop of its own: it gives its standard streams to it, or starts a
 * child in turn, which inherits them.
 */
#include "cede/relay.h"
#include "inner.h"

#include <string.h>

typedef struct task {
    union {
        cede_req req;
        cede_relay relay;
    } as;
    cede_result result;
} task;

static void on_done(cede_req *req, cede_result result)
{
    CEDE_CONTAINER(req, task, as.req)->result = result;
}

static cede_loop *loop_of(const char *backend)
{
    cede_options options = CEDE_OPTIONS_INIT;
    cede_loop *loop = NULL;
    options.backend = backend;
    return cede_loop_open(&options, &loop) == CEDE_OK ? loop : NULL;
}

static bool do_now(cede_loop *loop, task *one)
{
    cede_ticket ticket = cede_submit(loop, &one->as.req, on_done);
    return cede_wait(loop, ticket, CEDE_FOREVER) == CEDE_OK && one->result.status == CEDE_OK;
}

int cft_child_own(const char *backend)
{
    static char room[8192];
    static task relay;
    cede_loop *loop = loop_of(backend);
    if (!loop)
        return 3;
    cede_handle in = cede_import(cft_os_standard(0), CEDE_KIND_AUTO, CEDE_IMPORT_BORROW);
    cede_handle out = cede_import(cft_os_standard(1), CEDE_KIND_AUTO, CEDE_IMPORT_BORROW);
    cede_prep_relay(&relay.as.relay, in, out, room, sizeof room, CEDE_TO_END);
    cede_ticket ticket = cede_submit_relay(loop, &relay.as.relay, on_done);
    if (cede_wait(loop, ticket, CEDE_FOREVER) != CEDE_OK || relay.result.status != CEDE_OK)
        return 4;
    return cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK ? 0 : 5;
}

int cft_child_pass(const char *backend, const char *const *words)
{
    static task spawn, wait;
    const char *arguments[8] = {cft_os_program(), "--child"};
    cede_loop *loop = loop_of(backend);
    cede_spawn how = {.program = arguments[0], .arguments = arguments};
    for (size_t i = 0; i < 5 && words[i]; i++)
        arguments[2 + i] = words[i];
    how.flags = CEDE_SPAWN_INHERIT_INPUT | CEDE_SPAWN_INHERIT_OUTPUT | CEDE_SPAWN_INHERIT_ERROR;
    if (!loop)
        return 30;
    cede_prep_spawn(&spawn.as.req, &how, NULL);
    if (!do_now(loop, &spawn))
        return 40;
    cede_prep_child_wait(&wait.as.req, spawn.result.handle);
    if (!do_now(loop, &wait) || cede_loop_close(loop, CEDE_FOREVER) != CEDE_OK)
        return 50;
    return (int)wait.result.count;
}
