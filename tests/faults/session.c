/*
 * See session.h. A run is a scope, whose deadline is the limit for a hang; a client is a scope in
 * it. So whatever is under way when the time is up, or the program has ended, ends by itself.
 */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT (60 * CEDE_SECOND) /* of one run: a hang, however slow the machine is */
/* Of a client where a shortage lasts: a server may let it wait then, and is asked to end. */
#define PATIENCE     (300 * CEDE_MILLISECOND)
#define RELIEF       (2 * CEDE_SECOND) /* so long a shortage lasts at least */
#define CLIENTS      20                /* at most: who has lost some waits for more */
#define STARTS       5
#define START_FAILED 1359 /* of Wine, for now (docs/facts-windows.md) */

/* One of the two that it writes to. */
typedef struct voice {
    cede_req req;
    cede_handle from;
    text *to;
    char bytes[4096];
} voice;

/* A connection that it made. */
typedef struct caller {
    cede_req req;
    cede_handle stream;
    char bytes[4096];
} caller;

struct run run;

static cede_loop *loop;
static cede_handle listener; /* for what the program is to reach */

static struct {
    const session *what;
    cede_req scope, wait, ask, relief, accept;
    cede_ticket life;
    voice out, err;
    cede_handle child, input;
    int parts; /* that have not ended: the voices, the process */
} now;

static struct {
    cede_req scope, req;
    cede_ticket life;
    cede_handle stream;
    const char *question;
    uint16_t port;
    int count; /* that there were */
    bool waits, refused;
    char bytes[8192];
} client;

void session_die(const char *what, cede_status why)
{
    printf("every_fault: %s: %s\n", what, cede_strerror(why));
    exit(2);
}

static cede_result last;

static void on_last(cede_req *req, cede_result r)
{
    (void)req;
    last = r;
}

cede_result session_do(cede_req *req)
{
    cede_wait(loop, cede_submit(loop, req, on_last), CEDE_FOREVER);
    return last;
}

static cede_handle must(cede_req *req, const char *what)
{
    cede_result r = session_do(req);
    if (r.status)
        session_die(what, r.status);
    return r.handle;
}

void session_set(const char *name, const char *value)
{
#if defined(_WIN32)
    int failed = _putenv_s(name, value);
#else
    int failed = setenv(name, value, 1);
#endif
    if (failed)
        session_die(name, CEDE_ENOMEM);
}

/* ---- What it is told ------------------------------------------------------------------------ */

static void on_nothing(cede_req *req, cede_result r)
{
    (void)req;
    (void)r;
}

/* The seam has an ear at its standard input (fault_win32.c). */
static void on_relief(cede_req *req, cede_result r)
{
    if (r.status)
        return;
    cede_prep_send_all(req, now.input, ".", 1);
    cede_in(req, now.life);
    cede_submit(loop, req, on_nothing);
}

static void ask_to_end(void)
{
    run.asked_to_end = true;
#if defined(_WIN32)
    cede_prep_send_all(&now.ask, now.input, "!", 1);
#else
    cede_prep_child_kill(&now.ask, now.child, CEDE_KILL_ASK);
#endif
    cede_in(&now.ask, now.life);
    cede_submit(loop, &now.ask, on_nothing);
}

/* ---- Its clients ---------------------------------------------------------------------------- */

static void next_client(void);

/* One that is refused is the last; so is one whose patience has ended. (One may be reset before it
 * has sent all, or even knows that it is connected.) */
static void on_client_end(cede_req *req, cede_result r)
{
    (void)req;
    if (r.flags & CEDE_BY_SCOPE)
        return;
    client.waits = false;
    if (r.status == CEDE_EDEADLINE || (!client.refused && ++client.count == CLIENTS))
        ask_to_end();
    else if (!client.refused)
        next_client();
}

static void on_answer(cede_req *req, cede_result r);

static void hear_answer(void)
{
    cede_prep_recv(&client.req, client.stream, client.bytes, sizeof client.bytes);
    cede_in(&client.req, client.life);
    cede_submit(loop, &client.req, on_answer);
}

/* What comes until the end of the stream, whatever that is. */
static void on_answer(cede_req *req, cede_result r)
{
    (void)req;
    if (r.status || r.count == 0)
        cede_fail(client.life, CEDE_OK);
    else
        hear_answer();
}

static void on_shut(cede_req *req, cede_result r)
{
    (void)req;
    (void)r; /* it may be reset already, which the receive tells */
    hear_answer();
}

static void on_sent(cede_req *req, cede_result r)
{
    (void)req;
    if (r.status) {
        cede_fail(client.life, CEDE_OK);
        return;
    }
    cede_prep_shutdown(&client.req, client.stream);
    cede_in(&client.req, client.life);
    cede_submit(loop, &client.req, on_shut);
}

static void on_connected(cede_req *req, cede_result r)
{
    (void)req;
    client.refused = r.status == CEDE_ECONNREFUSED;
    if (r.status) {
        cede_fail(client.life, CEDE_OK);
        return;
    }
    client.stream = r.handle;
    cede_own(client.life, r.handle);
    cede_prep_send_all(&client.req, client.stream, client.question, strlen(client.question));
    cede_in(&client.req, client.life);
    cede_submit(loop, &client.req, on_sent);
}

/* Clients until the program has had enough of them: one that it has lost does not count. What is
 * not enough by then is asked to end. */
static void next_client(void)
{
    const char *const *questions = now.what->questions;
    cede_address to = cede_ipv4(127, 0, 0, 1, client.port);
    client.question = questions[client.count % 2 && questions[1] ? 1 : 0];
    client.waits = true;
    client.refused = false;
    cede_prep_scope(&client.scope);
    cede_in(&client.scope, now.life);
    if (!now.what->patient)
        cede_within(&client.scope, PATIENCE);
    client.life = cede_submit(loop, &client.scope, on_client_end);
    cede_prep_connect(&client.req, &to, 0);
    cede_in(&client.req, client.life);
    cede_submit(loop, &client.req, on_connected);
}

/* As soon as it has said where it listens. */
static void look_for_port(void)
{
    static const char before[] = "listening at 127.0.0.1:";
    const char *where = strstr(run.said.at, before);
    if (!now.what->questions || client.port || !where || !strchr(where, '\n'))
        return;
    client.port = (uint16_t)atoi(where + sizeof before - 1);
    next_client();
}

/* ---- What it reaches ------------------------------------------------------------------------ */

static void on_heard_caller(cede_req *req, cede_result r);

static void hear_caller(caller *c)
{
    cede_prep_recv(&c->req, c->stream, c->bytes, sizeof c->bytes);
    cede_in(&c->req, now.life);
    cede_submit(loop, &c->req, on_heard_caller);
}

static void end_caller(caller *c)
{
    cede_drop(c->stream);
    free(c);
}

static void on_sent_back(cede_req *req, cede_result r)
{
    caller *c = CEDE_CONTAINER(req, caller, req);
    if (r.status)
        end_caller(c);
    else
        hear_caller(c);
}

static void on_heard_caller(cede_req *req, cede_result r)
{
    caller *c = CEDE_CONTAINER(req, caller, req);
    if (r.status || r.count == 0) {
        end_caller(c);
        return;
    }
    cede_prep_send_all(&c->req, c->stream, c->bytes, r.count);
    cede_in(&c->req, now.life);
    cede_submit(loop, &c->req, on_sent_back);
}

static void on_caller(cede_req *req, cede_result item)
{
    caller *c = malloc(sizeof *c);
    (void)req;
    if (!c || !item.handle)
        session_die("accept", c ? item.status : CEDE_ENOMEM);
    c->stream = item.handle;
    hear_caller(c);
}

/* ---- The program ---------------------------------------------------------------------------- */

static void part_ends(void)
{
    if (--now.parts == 0)
        cede_fail(now.life, CEDE_OK);
}

static void on_said(cede_req *req, cede_result r);

static void hear(voice *v)
{
    cede_prep_recv(&v->req, v->from, v->bytes, sizeof v->bytes);
    cede_in(&v->req, now.life);
    cede_submit(loop, &v->req, on_said);
}

/* What goes beyond the room that there is, is heard and forgotten. */
static void keep(text *to, const char *bytes, size_t count)
{
    size_t room = sizeof to->at - 1 - to->bytes;
    count = count < room ? count : room;
    memcpy(to->at + to->bytes, bytes, count);
    to->bytes += count;
    to->at[to->bytes] = '\0';
}

static void on_said(cede_req *req, cede_result r)
{
    voice *v = CEDE_CONTAINER(req, voice, req);
    if (r.status || r.count == 0) {
        cede_drop(v->from);
        part_ends();
        return;
    }
    keep(v->to, v->bytes, (size_t)r.count);
    hear(v);
    look_for_port();
}

static void on_ended(cede_req *req, cede_result r)
{
    (void)req;
    run.code = r.count;
    part_ends();
}

static void on_over(cede_req *req, cede_result r)
{
    (void)req;
    run.hung = r.status == CEDE_EDEADLINE;
    run.in_vain = run.hung && client.waits;
}

static void start(void)
{
    cede_spawn how = {.program = now.what->words[0], .arguments = now.what->words};
    cede_result r = {.os_error = START_FAILED};
    cede_req req;
    cede_prep_pair(&req, CEDE_PAIR_TO_CHILD, &how.stdio[0]);
    now.input = must(&req, "a pipe");
    cede_prep_pair(&req, CEDE_PAIR_FROM_CHILD, &how.stdio[1]);
    now.out.from = must(&req, "a pipe");
    cede_prep_pair(&req, CEDE_PAIR_FROM_CHILD, &how.stdio[2]);
    now.err.from = must(&req, "a pipe");
    for (int i = 0; i < STARTS && r.os_error == START_FAILED; i++) {
        cede_prep_spawn(&req, &how, NULL);
        r = session_do(&req);
    }
    if (r.status)
        session_die(how.program, r.status);
    now.child = r.handle;
    for (int i = 0; i < 3; i++)
        cede_drop(how.stdio[i]);
}

static void end_by_force(void)
{
    cede_req req;
    cede_prep_child_kill(&req, now.child, CEDE_KILL_FORCE);
    (void)session_do(&req);
    cede_prep_child_wait(&req, now.child);
    cede_within(&req, LIMIT);
    (void)must(&req, "it hangs, and cannot be ended");
}

void session_run(const session *what)
{
    memset(&run, 0, sizeof run);
    memset(&now, 0, sizeof now);
    memset(&client, 0, sizeof client);
    now.what = what;
    now.out.to = &run.said;
    now.err.to = &run.complained;
    now.parts = 3;
    start();
    cede_prep_scope(&now.scope);
    cede_within(&now.scope, LIMIT);
    now.life = cede_submit(loop, &now.scope, on_over);
    cede_prep_accept_many(&now.accept, listener, on_caller);
    cede_in(&now.accept, now.life);
    cede_submit(loop, &now.accept, on_nothing);
    cede_prep_child_wait(&now.wait, now.child);
    cede_in(&now.wait, now.life);
    cede_submit(loop, &now.wait, on_ended);
    if (what->relieved) {
        cede_prep_timer(&now.relief, RELIEF);
        cede_in(&now.relief, now.life);
        cede_submit(loop, &now.relief, on_relief);
    }
    hear(&now.out);
    hear(&now.err);
    if (cede_run(loop, CEDE_FOREVER) < 0)
        session_die("the loop", CEDE_EUNKNOWN);
    if (run.hung)
        end_by_force();
    cede_drop(now.child);
    cede_drop(now.input);
}

/* ---- All of them ---------------------------------------------------------------------------- */

uint16_t session_begin(void)
{
    cede_address at = cede_ipv4(127, 0, 0, 1, 0);
    char why[256] = "";
    cede_options options = {.why = why, .why_bytes = sizeof why};
    cede_req req;
    cede_status status = cede_loop_open(&options, &loop);
    if (status)
        session_die(why, status);
    cede_prep_listen(&req, &at, 0, 0);
    listener = must(&req, "listen");
    cede_prep_name(&req, listener, CEDE_NAME_OWN, &at);
    (void)must(&req, "listen");
    return at.port;
}

void session_end(void)
{
    cede_status status;
    cede_drop(listener);
    status = cede_loop_close(loop, LIMIT);
    if (status)
        session_die("the loop's close", status);
}
