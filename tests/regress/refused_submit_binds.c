/* The submit call binds a handle, whatever comes of the request (1b: Handles): refused by an ended
 * scope, of a wrong ticket, without a slot, for its arguments, or for another handle. So does that
 * of a relay. Another loop cannot have it then, and its loop's close closes it: it stayed open. */
#include "orphans.h"

enum { NO_SLOT, ENDED_SCOPE, NO_SCOPE, COPY, SEND_FILE, SPAWN, OTHER_STREAM, HOWS };

/* From COPY on: that is not the first that the arguments name, and something else is wrong. */
static void prep(int how, cede_req *req, cede_handle handle)
{
    static const char *const arguments[] = {"x", NULL};
    static cede_spawn spawn;
    static char byte;
    spawn = (cede_spawn){.program = "x", .arguments = arguments, .stdio = {0, handle}};
    if (how == COPY) {
        cede_prep_copy(req, 0, UINT64_MAX, handle, 0, 1);
    } else if (how == SEND_FILE) {
        cede_prep_send_file(req, 0, handle, UINT64_MAX, 1);
    } else if (how == SPAWN || how == OTHER_STREAM) {
        if (how == SPAWN)
            spawn.flags = CEDE_SPAWN_ANY + 1;
        else
            spawn.stdio[0] = 12345678;
        cede_prep_spawn(req, &spawn, NULL);
    } else {
        cede_prep_read(req, handle, &byte, 1, 0);
    }
}

static fake backends[2];
static cede_loop *mine, *other;
static cede_handle handle;

static void begin(void)
{
    mine = fake_loop(&backends[0]);
    other = fake_loop(&backends[1]);
    handle = fake_handle(CEDE_KIND_FILE, 0);
}

static void other_is_refused(cede_status status)
{
    static note again;
    static char byte;
    cede_prep_read(&again.req, handle, &byte, 1, 0);
    cede_submit(other, &again.req, note_done);
    CHECK(cede_run(other, 0) == 1 && again.result.status == status);
}

/* Both loops are closed behind it. */
static void is_bound(void)
{
    uint64_t starts = backends[0].starts;
    other_is_refused(CEDE_EINVAL);
    CHECK(cede_loop_close(mine, CEDE_FOREVER) == CEDE_OK);
    CHECK(backends[0].starts == starts + 1); /* a close */
    other_is_refused(CEDE_EBADF);
    CHECK(cede_loop_close(other, CEDE_FOREVER) == CEDE_OK);
}

static void note_relay(cede_req *req, cede_result result)
{
    (void)req;
    CHECK(result.status == CEDE_EBADF || result.status == CEDE_EINVAL);
}

static void one(int how, bool remote)
{
    static note scope, pend, refused;
    cede_ticket life;
    begin();
    cede_prep_scope(&scope.req);
    life = cede_submit(mine, &scope.req, note_done);
    if (how == ENDED_SCOPE) {
        cede_cancel(life);
        CHECK(cede_run(mine, CEDE_FOREVER) == 1);
    }
    if (how == NO_SCOPE) {
        cede_prep_pend(&pend.req);
        life = cede_submit(mine, &pend.req, note_done);
    }
    if (how == NO_SLOT)
        fill_slots(mine, 1);
    prep(how, &refused.req, handle);
    if (how == ENDED_SCOPE || how == NO_SCOPE)
        cede_in(&refused.req, life);
    if (remote)
        cede_submit_remote(mine, &refused.req, note_done, NULL);
    else
        cede_submit(mine, &refused.req, note_done);
    memory_is_out = false;
    CHECK(cede_run(mine, 0) == 1 && refused.result.status != CEDE_OK);
    is_bound();
}

/* Relays: without room, and of nothing, which reads nothing of the first stream. */
static void relay(bool room, bool from)
{
    static cede_relay relayed;
    static char buffer[8];
    begin();
    cede_prep_relay(&relayed, from ? handle : 0, from ? 0 : handle, buffer, room ? 8 : 1, 0);
    cede_submit_relay(mine, &relayed, note_relay);
    CHECK(cede_run(mine, CEDE_FOREVER) > 0);
    is_bound();
}

REGRESSION(refused_submit_binds)
{
    use_short_memory();
    one(NO_SLOT, false); /* first: a loop that has closed leaves slots to others */
    for (int how = ENDED_SCOPE; how < HOWS; how++) {
        one(how, false);
        one(how, true);
    }
    for (unsigned i = 0; i < 4; i++)
        relay(i & 1, i & 2);
    return 0;
}
