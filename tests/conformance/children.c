/*
 * Child processes (laws 1, 2, 6 to 8, 10, 13, 15, 16): started with what was asked for and nothing
 * else, waited for by any number, ended by force or left alone.
 */
#include "conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A child with both its ends, and ours. */
typedef struct pipes {
    cede_handle to, from, child;
} pipes;

static bool is_windows(const cft *t)
{
    return strncmp(cft_backend(t), "win32", 5) == 0;
}

/* Its own ends are dropped here, as its parent should. */
static pipes piped(cft *t, const char *what)
{
    cede_handle input, output;
    cft_needs(t, CEDE_OP_SPAWN);
    pipes p = {0, 0, 0};
    p.to = cft_half(t, CEDE_PAIR_TO_CHILD, &input);
    p.from = cft_half(t, CEDE_PAIR_FROM_CHILD, &output);
    p.child = cft_child(t, input, output, what);
    cft_drop(t, input);
    cft_drop(t, output);
    return p;
}

/* All that it writes, to its end. */
static size_t all_of(cft *t, cede_handle from, char *out, size_t room)
{
    cft_rec *rec = cft_new(t);
    cede_prep_read_all(rec->req, from, cft_buffer(rec, room), room - 1, CEDE_CURRENT);
    cft_do(rec);
    CFT_STATUS(t, rec, CEDE_EEOF);
    memcpy(out, rec->bytes, (size_t)rec->result.count);
    out[rec->result.count] = '\0';
    return (size_t)rec->result.count;
}

/* There and back. */
static void echo(cft *t, const pipes *p, const char *text)
{
    size_t bytes = strlen(text);
    cft_await(t, cft_send_all(t, p->to, text, bytes));
    cft_rec *rec = cft_recv_all(t, p->from, bytes);
    cft_await(t, rec);
    CFT_OK(t, rec);
    CFT_EXPECT(t, memcmp(rec->bytes, text, bytes) == 0);
}

/* What was waited for. */
static void expect_end(cft *t, cede_handle child, uint64_t count)
{
    cft_rec *rec = cft_child_wait(t, child);
    cft_await(t, rec);
    CFT_OK(t, rec);
    CFT_EXPECT(t, rec->result.count == count);
}

/* A child that was ended by signal `number`; on Windows, by force, with whatever code. */
static void expect_killed(cft *t, cede_handle child, uint32_t number)
{
    cft_rec *rec = cft_child_wait(t, child);
    cft_await(t, rec);
    CFT_OK(t, rec);
    CFT_EXPECT(t, is_windows(t) ? !(rec->result.count & CEDE_CHILD_KILLED)
                                : rec->result.count == (CEDE_CHILD_KILLED | number));
}

CFT_CASE(child_tells_how_it_ended_to_all_who_ask)
{
    cft_needs(t, CEDE_OP_SPAWN);
    cede_handle child = cft_child(t, 0, 0, "exit:7");
    cft_rec *first = cft_child_wait(t, child), *second = cft_child_wait(t, child);
    cft_await(t, first);
    cft_await(t, second);
    CFT_OK(t, first);
    CFT_OK(t, second);
    CFT_EXPECT(t, first->result.count == 7 && second->result.count == 7);
    expect_end(t, child, 7); /* as late as that */
    cft_closed(t, child);
}

CFT_CASE(child_has_a_number)
{
    const char *words[] = {"exit:0", NULL};
    uint64_t numbers[2];
    cft_needs(t, CEDE_OP_SPAWN);
    for (int i = 0; i < 2; i++) {
        cft_rec *rec = cft_prep_child(t, 0, 0, words);
        cft_do(rec);
        CFT_OK(t, rec);
        memcpy(&numbers[i], rec->bytes, sizeof numbers[i]);
        CFT_EXPECT(t, numbers[i] != 0);
        cft_rec *plain = cft_prep_child(t, 0, 0, words);
        cede_prep_spawn(plain->req, plain->data, NULL); /* it is not wanted */
        cft_do(plain);
        CFT_OK(t, plain);
        expect_end(t, plain->result.handle, 0);
        if (i == 1)
            expect_end(t, rec->result.handle, 0);
    }
    CFT_EXPECT(t, numbers[0] != numbers[1] || is_windows(t));
}

CFT_CASE(child_echoes_what_it_is_sent)
{
    pipes p = piped(t, "cat");
    if (!p.child)
        return;
    echo(t, &p, "one");
    echo(t, &p, "and another");
    cft_closed(t, p.to); /* the end of its input */
    char rest[8];
    CFT_EXPECT(t, all_of(t, p.from, rest, sizeof rest) == 0);
    expect_end(t, p.child, 0);
}

CFT_CASE(child_echoes_more_than_its_pipes_hold)
{
    const size_t bytes = 150000;
    unsigned char *data = cft_alloc(t, bytes);
    pipes p = piped(t, "cat");
    if (!p.child)
        return;
    cft_fill(data, bytes, 5, 0);
    cft_rec *send = cft_send_all(t, p.to, data, bytes);
    cft_rec *recv = cft_recv_all(t, p.from, bytes);
    cft_await(t, recv);
    cft_await(t, send);
    CFT_OK(t, send);
    CFT_OK(t, recv);
    CFT_CHECK(t, cft_filled(recv->bytes, (size_t)recv->result.count, 5, 0));
    cft_closed(t, p.to);
    expect_end(t, p.child, 0);
}

CFT_CASE(child_writes_more_than_its_pipe_holds)
{
    const size_t bytes = 100000;
    pipes p = piped(t, "big:100000");
    if (!p.child)
        return;
    cft_rec *recv = cft_recv_all(t, p.from, bytes);
    cft_await(t, recv);
    CFT_OK(t, recv);
    CFT_CHECK(t, cft_filled(recv->bytes, (size_t)recv->result.count, 9, 0));
    cft_closed(t, p.to);
    expect_end(t, p.child, 0);
}

/* Starts "tell" and compares what it says. */
static void expect_told(cft *t, const char *const *words, const cede_spawn *with, const char *text)
{
    char told[4096];
    cede_handle output;
    cede_handle from = cft_half(t, CEDE_PAIR_FROM_CHILD, &output);
    cft_rec *rec = cft_prep_child(t, 0, output, words);
    cede_spawn *how = rec->data;
    how->environment = with->environment;
    how->directory = with->directory;
    cft_do(rec);
    CFT_OK(t, rec);
    cft_drop(t, output);
    (void)all_of(t, from, told, sizeof told);
    if (!with->directory) /* this process's, and what that is called is no matter */
        told[strlen(text) < sizeof told ? strlen(text) : 0] = '\0';
    if (strcmp(told, text) != 0) {
        for (char *c = strchr(told, '\n'); c; c = strchr(c, '\n'))
            *c = '|';
        cft_note(t, "told: %.150s", told);
    }
    CFT_EXPECT(t, strcmp(told, text) == 0);
    expect_end(t, rec->result.handle, 0);
    cft_closed(t, from);
}

CFT_CASE(child_gets_its_arguments_as_they_are)
{
    static const char *const words[] = {
        "tell",  "plain",  "two words", "",           "\"q\"",           "back\\slash", "end\\",
        "x y\\", "a\\\"b", "\\\\\"",    "gr\xc3\xbc", "*?$(x)%PATH%^&|", NULL};
    const cede_spawn with = {.program = NULL};
    char text[512] = "";
    cft_needs(t, CEDE_OP_SPAWN);
    for (int i = 1; words[i]; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "[%s]\n", words[i]);
    expect_told(t, words, &with, text);
}

CFT_CASE(child_gets_the_environment_and_the_directory_it_is_given)
{
    static const char *const words[] = {"tell", NULL};
    const char *environment[6] = {"CEDE_T_A=1", "CEDE_T_B=zwei w\xc3\xb6rter", "", "CEDE_T_C="};
    char root[256];
    cft_needs(t, CEDE_OP_SPAWN);
    if (getenv("SystemRoot")) { /* Windows' own programs want it */
        (void)snprintf(root, sizeof root, "SystemRoot=%s", getenv("SystemRoot"));
        environment[4] = root;
    }
    cft_rec *made = cft_new(t);
    cede_prep_mkdir(made->req, cft_path(t, "place"), 0755);
    cft_do(made);
    CFT_OK(t, made);
    const cede_spawn with = {.environment = environment, .directory = cft_path(t, "place")};
    if (cft_faulted(t))
        return;
    expect_told(t, words, &with,
                "{CEDE_T_A=1}\n{CEDE_T_B=zwei w\xc3\xb6rter}\n{CEDE_T_C=}\n<place>\n");
}

/* What comes back is what a child made of it whose words these are. */
static void talks_through(cft *t, const char *const *words)
{
    cede_handle input, output;
    cft_needs(t, CEDE_OP_SPAWN);
    pipes p = {cft_half(t, CEDE_PAIR_TO_CHILD, &input), 0, 0};
    p.from = cft_half(t, CEDE_PAIR_FROM_CHILD, &output);
    cft_rec *rec = cft_prep_child(t, input, output, words);
    cft_do(rec);
    CFT_OK(t, rec);
    cft_drop(t, input);
    cft_drop(t, output);
    echo(t, &p, "one");
    echo(t, &p, "and another");
    cft_closed(t, p.to);
    char rest[8];
    CFT_EXPECT(t, all_of(t, p.from, rest, sizeof rest) == 0);
    expect_end(t, rec->result.handle, 0);
}

CFT_CASE(child_gives_its_own_streams_to_a_loop)
{
    const char *words[] = {"own", cft_backend(t), NULL};
    talks_through(t, words);
}

CFT_CASE(child_inherits_the_streams_of_its_parent)
{
    const char *words[] = {"pass", cft_backend(t), "cat", NULL};
    talks_through(t, words);
}

CFT_CASE(child_leads_a_group_if_it_is_told_to)
{
    const char *words[] = {"group", NULL};
    cft_needs(t, CEDE_OP_SPAWN);
    for (uint32_t own = 0; own < 2; own++) {
        cft_rec *rec = cft_prep_child(t, 0, 0, words);
        ((cede_spawn *)rec->data)->flags = own ? CEDE_SPAWN_GROUP : 0;
        cft_do(rec);
        CFT_OK(t, rec);
        expect_end(t, rec->result.handle, own || is_windows(t));
    }
}

/* Fails, and leaves nothing. */
static cede_status refused(cft *t, const char *program, const char *directory)
{
    const char *words[] = {"exit:0", NULL};
    cft_rec *rec = cft_prep_child(t, 0, 0, words);
    cede_spawn *how = rec->data;
    how->program = program ? program : how->program;
    how->directory = directory;
    cft_do(rec);
    CFT_EXPECT(t, rec->result.status != CEDE_OK && !rec->result.handle);
    return rec->result.status;
}

CFT_CASE(program_that_cannot_be_run_is_the_result)
{
    cft_needs(t, CEDE_OP_SPAWN);
    cft_file(t, "plain", "no program", 10, 0);
    CFT_EXPECT(t, refused(t, cft_path(t, "missing"), NULL) == CEDE_ENOENT);
    CFT_EXPECT(t, refused(t, "cede-no-such-program", NULL) == CEDE_ENOENT);
    CFT_EXPECT(t, refused(t, cft_path(t, "plain"), NULL) == CEDE_EACCES || is_windows(t));
    CFT_EXPECT(t, refused(t, cft_path(t, "missing/deeper"), NULL) == CEDE_ENOENT);
    cft_file(t, "tool.exe", "no program", 10, 0); /* not what is asked for */
    CFT_EXPECT(t, refused(t, cft_path(t, "tool/"), NULL) == CEDE_ENOENT);
    CFT_EXPECT(t, refused(t, cft_path(t, "plain/deeper"), NULL) == CEDE_ENOTDIR);
    CFT_EXPECT(t, refused(t, NULL, cft_path(t, "missing")) == CEDE_ENOENT);
    CFT_EXPECT(t, refused(t, NULL, cft_path(t, "plain")) == CEDE_ENOTDIR);
    CFT_EXPECT(t, refused(t, NULL, cft_path(t, "plain/deeper")) == CEDE_ENOTDIR);
    CFT_EXPECT(t, refused(t, NULL, cft_path(t, "missing/deeper")) == CEDE_ENOENT);
    CFT_EXPECT(t, refused(t, "./plain", cft_path(t, ".")) == CEDE_ENOENT); /* it is not here */
}

/* Allowed to be run, and named like what can be; but it is text. */
static const char *text_that_may_run(cft *t)
{
    cft_rec *rec = cft_new(t);
    cede_prep_open(rec->req, cft_path(t, "text.exe"), CEDE_OPEN_WRITE | CEDE_OPEN_CREATE, 0755);
    cft_do(rec);
    CFT_OK(t, rec);
    cede_handle file = rec->result.handle;
    rec = cft_new(t);
    cede_prep_write_all(rec->req, file, "no program", 10, 0);
    cft_do(rec);
    CFT_OK(t, rec);
    cft_closed(t, file);
    return cft_path(t, "text.exe");
}

CFT_CASE(spawn_of_what_is_no_program_says_so)
{
    cft_needs(t, CEDE_OP_SPAWN);
    CFT_EXPECT(t, refused(t, text_that_may_run(t), NULL) == CEDE_ENOEXEC);
}

CFT_CASE(spawn_with_too_long_arguments_says_so)
{
    enum { BYTES = 200000 };
    static char text[BYTES + 1];
    cft_needs(t, CEDE_OP_SPAWN);
    memset(text, 'a', BYTES);
    const char *words[] = {"exit:0", text, NULL};
    cft_rec *rec = cft_prep_child(t, 0, 0, words);
    cft_do(rec);
    CFT_STATUS(t, rec, CEDE_E2BIG);
    CFT_EXPECT(t, !rec->result.handle);
}

static void expect_invalid(cft *t, cft_rec *rec, cede_status status)
{
    cft_do(rec);
    CFT_STATUS(t, rec, status);
}

CFT_CASE(spawn_refuses_what_makes_no_sense)
{
    static const char *const none[] = {NULL}, *const one[] = {"x", NULL};
    static const cede_spawn bad[] = {{.program = NULL, .arguments = one},
                                     {.program = "", .arguments = one},
                                     {.program = "x", .arguments = NULL},
                                     {.program = "x", .arguments = none},
                                     {.program = "x", .arguments = one, .flags = 0x10}};
    cft_needs(t, CEDE_OP_SPAWN);
    cft_rec *rec = cft_new(t);
    cede_prep_spawn(rec->req, NULL, NULL);
    expect_invalid(t, rec, CEDE_EINVAL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        rec = cft_new(t);
        cede_prep_spawn(rec->req, &bad[i], NULL);
        expect_invalid(t, rec, CEDE_EINVAL);
    }
    const char *words[] = {"exit:0", NULL};
    expect_invalid(t, cft_prep_child(t, 0, 12345678, words), CEDE_EBADF);
}

CFT_CASE(children_take_what_is_for_children)
{
    cede_handle reader, writer;
    pipes p = piped(t, "cat");
    cft_pipe_both(t, &reader, &writer);
    if (cft_faulted(t))
        return;
    cft_rec *rec = cft_new(t);
    cede_prep_child_wait(rec->req, reader);
    expect_invalid(t, rec, CEDE_EINVAL);
    rec = cft_new(t);
    cede_prep_child_kill(rec->req, writer, CEDE_KILL_FORCE);
    expect_invalid(t, rec, CEDE_EINVAL);
    rec = cft_new(t);
    cede_prep_child_kill(rec->req, p.child, CEDE_KILL_FORCE + 1);
    expect_invalid(t, rec, CEDE_EINVAL);
    rec = cft_new(t);
    cede_prep_recv(rec->req, p.child, cft_buffer(rec, 4), 4);
    expect_invalid(t, rec, CEDE_EINVAL);
    cft_closed(t, p.child);
    rec = cft_new(t);
    cede_prep_child_wait(rec->req, p.child);
    expect_invalid(t, rec, CEDE_EBADF);
}

/* Before it has started, a close of what it is to have may come first: then it is not started. */
CFT_CASE(streams_of_a_child_may_be_closed_at_once)
{
    const char *words[] = {"cat", NULL};
    cede_handle input, output;
    cft_needs(t, CEDE_OP_SPAWN);
    cede_handle to = cft_half(t, CEDE_PAIR_TO_CHILD, &input);
    cede_handle from = cft_half(t, CEDE_PAIR_FROM_CHILD, &output);
    if (cft_faulted(t))
        return;
    cft_rec *rec = cft_prep_child(t, input, output, words);
    cft_submit(rec);
    cft_rec *one = cft_close_of(t, input), *other = cft_close_of(t, output);
    cft_await(t, rec);
    cft_await(t, one);
    cft_await(t, other);
    pipes p = {to, from, rec->result.handle};
    if (p.child) {
        echo(t, &p, "all the same");
        cft_closed(t, to);
        expect_end(t, p.child, 0);
    } else {
        CFT_STATUS(t, rec, CEDE_EBADF);
    }
}

CFT_CASE(child_lives_on_when_its_handle_is_closed)
{
    char rest[8];
    pipes p = piped(t, "cat");
    if (!p.child)
        return;
    cft_closed(t, p.child);
    echo(t, &p, "still here");
    cft_closed(t, p.to);
    CFT_EXPECT(t, all_of(t, p.from, rest, sizeof rest) == 0);
}

CFT_CASE(wait_for_a_child_that_is_ended_leaves_it_alone)
{
    pipes p = piped(t, "cat");
    if (!p.child)
        return;
    cft_rec *stays = cft_child_wait(t, p.child), *goes = cft_child_wait(t, p.child);
    cft_flush(t);
    cft_cancel(t, goes->ticket);
    cft_await(t, goes);
    CFT_ENDED(t, goes, CEDE_ECANCELED, CEDE_BY_WISH);
    cft_rec *timed = cft_new(t);
    cede_prep_child_wait(timed->req, p.child);
    cede_within(timed->req, CEDE_MILLISECOND);
    cft_do(timed);
    CFT_ENDED(t, timed, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    CFT_EXPECT(t, !cft_is_done(stays));
    echo(t, &p, "alive");
    cft_closed(t, p.to);
    cft_await(t, stays);
    CFT_OK(t, stays);
    CFT_EXPECT(t, stays->result.count == 0);
}

CFT_CASE(close_of_a_child_ends_the_waits_for_it)
{
    pipes p = piped(t, "cat");
    if (!p.child)
        return;
    cft_rec *wait = cft_child_wait(t, p.child);
    cft_flush(t);
    cft_rec *close = cft_close_of(t, p.child);
    cft_await(t, close);
    CFT_OK(t, close);
    CFT_ENDED(t, wait, CEDE_ECANCELED, CEDE_BY_CLOSE);
    CFT_CHECK(t, wait->done_at < close->done_at);
}

CFT_CASE(child_is_ended_by_force)
{
    pipes p = piped(t, "cat");
    if (!p.child)
        return;
    CFT_OK(t, cft_child_kill(t, p.child, CEDE_KILL_FORCE));
    expect_killed(t, p.child, 9);
    CFT_OK(t, cft_child_kill(t, p.child, CEDE_KILL_FORCE)); /* it has ended */
    CFT_OK(t, cft_child_kill(t, p.child, CEDE_KILL_ASK));
    expect_killed(t, p.child, 9);
}

CFT_CASE(child_that_is_asked_ends)
{
    pipes p = piped(t, "cat");
    if (!p.child)
        return;
    echo(t, &p, "it has begun");
    CFT_OK(t, cft_child_kill(t, p.child, CEDE_KILL_ASK));
    expect_killed(t, p.child, 15);
}

CFT_CASE(child_may_take_the_question_as_it_likes)
{
    pipes p = piped(t, "deaf");
    if (!p.child)
        return;
    cft_rec *ready = cft_recv_all(t, p.from, 1);
    cft_await(t, ready);
    CFT_OK(t, ready);
    CFT_OK(t, cft_child_kill(t, p.child, CEDE_KILL_ASK));
    if (!is_windows(t)) {
        echo(t, &p, "no");
        CFT_OK(t, cft_child_kill(t, p.child, CEDE_KILL_FORCE));
    }
    expect_killed(t, p.child, 9);
}

static uint32_t handles_of_a_child(cft *t)
{
    char text[32];
    cede_handle output;
    cede_handle from = cft_half(t, CEDE_PAIR_FROM_CHILD, &output);
    cede_handle child = cft_child(t, 0, output, "handles");
    cft_drop(t, output);
    (void)all_of(t, from, text, sizeof text);
    expect_end(t, child, 0);
    cft_closed(t, from);
    return (uint32_t)strtoul(text, NULL, 10);
}

CFT_CASE(nothing_else_of_this_process_reaches_a_child)
{
    cede_handle more[2];
    cft_needs(t, CEDE_OP_SPAWN);
    uint32_t before = handles_of_a_child(t);
    cft_file(t, "open", "x", 1, 0);
    for (int i = 0; i < 5; i++) {
        (void)cft_opened(t, "open", CEDE_OPEN_READ);
        (void)cft_half(t, CEDE_PAIR_TO_CHILD, &more[0]);
        (void)cft_half(t, CEDE_PAIR_STREAM, &more[1]);
    }
    if (cft_faulted(t))
        return;
    CFT_EXPECT(t, handles_of_a_child(t) == before);
}

CFT_CASE(spawn_without_a_descriptor_says_so)
{
    const char *words[] = {"exit:0", NULL};
    cft_needs(t, CEDE_OP_SPAWN);
    cft_no_descriptors(t);
    cft_rec *rec = cft_prep_child(t, 0, 0, words);
    cft_do(rec);
    CFT_EXPECT(t, rec->result.status == CEDE_EMFILE && !rec->result.handle);
}

CFT_CASE(scope_ends_the_wait_and_closes_its_child)
{
    pipes p = piped(t, "cat");
    if (!p.child)
        return;
    cft_rec *scope = cft_new(t), *wait = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    cede_own(scope->ticket, p.child);
    cede_prep_child_wait(wait->req, p.child);
    cede_in(wait->req, scope->ticket);
    cft_submit(wait);
    cft_flush(t);
    cft_fail(t, scope->ticket, CEDE_EIO);
    cft_await(t, scope);
    CFT_STATUS(t, scope, CEDE_EIO);
    CFT_ENDED(t, wait, CEDE_ECANCELED, CEDE_BY_SCOPE);
    echo(t, &p, "it lives on");
}

CFT_CASE(streams_of_a_child_belong_to_the_loop_that_starts_it)
{
    const char *words[] = {"exit:0", NULL};
    cede_options options;
    cft_needs(t, CEDE_OP_SPAWN);
    cft_options(t, &options);
    cede_loop *second = cft_open(t, &options);
    cft_pipe pipe = cft_pipe_writer(t);
    if (!pipe.handle)
        return;
    cft_await(t, cft_send_all(t, pipe.handle, "mine", 4)); /* it is bound here */
    cft_rec *rec = cft_prep_child(t, 0, pipe.handle, words);
    cft_submit_on(rec, second);
    while (!cft_is_done(rec))
        CFT_CHECK(t, cft_run_on(second, CEDE_MILLISECOND) >= 0 || cft_faulted(t));
    CFT_STATUS(t, rec, CEDE_EINVAL);
}

/* One that no request has used but the spawn: the loop has it, and closes it. */
CFT_CASE(stream_that_only_a_child_had_is_closed_with_the_loop)
{
    const char *words[] = {"exit:0", NULL};
    cft_needs(t, CEDE_OP_SPAWN);
    cft_pipe pipe = cft_pipe_writer(t);
    if (!pipe.handle)
        return;
    cft_rec *rec = cft_prep_child(t, 0, pipe.handle, words);
    cft_do(rec);
    CFT_OK(t, rec);
    expect_end(t, rec->result.handle, 0);
}
