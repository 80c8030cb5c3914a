/*
 * Standard input and output that are a terminal, held to the laws: what is typed comes to who reads
 * in its order, whole, whatever was cancelled meanwhile (7, 14); a read holds up nobody; ctrl-C is
 * a signal and no end. Run by terminal.sh, which types what this asks for.
 */
#include "terminal.h"

#include "cede/net.h"
#include "cede/system.h"

static char room[100];

static unsigned asked;

void type(const char *keys)
{
    char line[100];
    int bytes = snprintf(line, sizeof line, "@%u %s;\n", ++asked, keys);
    CHECK(bytes > 0 && bytes < (int)sizeof line);
    say(line, (size_t)bytes);
}

cede_ticket begin_read(cede_loop *loop, note *read, cede_handle input, uint64_t bytes)
{
    CHECK(bytes <= sizeof room);
    memset(read, 0, sizeof *read);
    memset(room, 0, sizeof room);
    cede_prep_read(&read->req, input, room, bytes, CEDE_CURRENT);
    return cede_submit(loop, &read->req, note_done);
}

static void run_until(cede_loop *loop, const note *what)
{
    while (what->calls == 0)
        CHECK(cede_run(loop, CEDE_MILLISECOND) >= 0);
}

void expect_text(cede_loop *loop, note *read, const char *text)
{
    run_until(loop, read);
    if (read->result.count != strlen(text) || memcmp(room, text, strlen(text)) != 0)
        fprintf(stderr, "expected \"%s\", not %d, \"%s\"\n", text, (int)read->result.status, room);
    CHECK(read->result.status == CEDE_OK && read->result.count == strlen(text));
    CHECK(memcmp(room, text, strlen(text)) == 0);
}

void expect_line(cede_loop *loop, cede_handle input, const char *keys, const char *text)
{
    static note read;
    begin_read(loop, &read, input, sizeof room);
    if (keys)
        type(keys);
    expect_text(loop, &read, text);
}

static void expect_end(cede_loop *loop, note *read, cede_status status, uint32_t cause)
{
    run_until(loop, read);
    CHECK(read->calls == 1 && read->result.status == status && read->result.count == 0);
    CHECK((read->result.flags & CEDE_BY_ANY) == cause);
}

/* ---- Reads ---------------------------------------------------------------------------------- */

static void read_holds_up_nobody(cede_loop *loop, cede_handle input)
{
    static note read, timer;
    memset(&timer, 0, sizeof timer);
    begin_read(loop, &read, input, sizeof room);
    cede_prep_timer(&timer.req, 5 * CEDE_MILLISECOND);
    cede_submit(loop, &timer.req, note_done);
    run_until(loop, &timer);
    CHECK(read.calls == 0);
    type("h\\xc3\\xa4llo \\xe2\\x82\\xac\\r");
    expect_text(loop, &read, "h\xc3\xa4llo \xe2\x82\xac" NEW_LINE);
}

static void what_it_is(cede_loop *loop, cede_handle input)
{
    static note asked;
    static cede_stat stat;
    memset(&asked, 0, sizeof asked);
    cede_prep_stat_handle(&asked.req, input, &stat);
    cede_submit(loop, &asked.req, note_done);
    run_until(loop, &asked);
    CHECK(asked.result.status == CEDE_OK && stat.type == CEDE_FILE_CHARACTER);
    memset(&asked, 0, sizeof asked);
    cede_prep_read(&asked.req, input, room, 1, 0);
    cede_submit(loop, &asked.req, note_done);
    expect_end(loop, &asked, CEDE_ESPIPE, 0);
}

static void nothing_typed_is_lost(cede_loop *loop, cede_handle input)
{
    static note read;
    cede_ticket ticket = begin_read(loop, &read, input, sizeof room);
    CHECK(cede_run(loop, 0) >= 0);
    cede_cancel(ticket);
    expect_end(loop, &read, CEDE_ECANCELED, CEDE_BY_WISH);
    expect_line(loop, input, "kept\\r", "kept" NEW_LINE);
}

static void half_a_line_is_kept(cede_loop *loop, cede_handle input)
{
    static note read;
    cede_ticket ticket = begin_read(loop, &read, input, sizeof room);
    note_reads();
    type("wh");
    await_line_begun(loop);
    cede_cancel(ticket);
    expect_end(loop, &read, CEDE_ECANCELED, CEDE_BY_WISH);
    memset(&read, 0, sizeof read);
    cede_prep_read(&read.req, input, room, sizeof room, CEDE_CURRENT);
    cede_within(&read.req, 5 * CEDE_MILLISECOND);
    cede_submit(loop, &read.req, note_done);
    expect_end(loop, &read, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    expect_line(loop, input, "ole\\r", "whole" NEW_LINE);
}

static void line_comes_in_pieces(cede_loop *loop, cede_handle input)
{
    static note read;
    static char first[3], second[4];
    static const cede_vec vec[2] = {{first, sizeof first}, {second, sizeof second}};
    begin_read(loop, &read, input, 3);
    type("abc\\xc3\\xa4ghij\\r");
    expect_text(loop, &read, "abc");
    begin_read(loop, &read, input, 1);
    expect_text(loop, &read, "\xc3");
    memset(&read, 0, sizeof read);
    cede_prep_readv(&read.req, input, vec, 2, CEDE_CURRENT);
    cede_submit(loop, &read.req, note_done);
    run_until(loop, &read);
    CHECK(read.result.status == CEDE_OK && read.result.count >= 3);
    CHECK(memcmp(first, "\xa4gh", 3) == 0);
    if (read.result.count == 3) { /* one piece at a time may be what the system can */
        expect_line(loop, input, NULL, "ij" NEW_LINE);
        return;
    }
    CHECK(memcmp(second, "ij" NEW_LINE, (size_t)read.result.count - 3) == 0);
}

static void all_takes_two_lines(cede_loop *loop, cede_handle input)
{
    static note read;
    memset(&read, 0, sizeof read);
    memset(room, 0, sizeof room);
    cede_prep_read_all(&read.req, input, room, 3 + 2 * strlen(NEW_LINE) + 1, CEDE_CURRENT);
    cede_submit(loop, &read.req, note_done);
    type("one\\r");
    type("2\\r");
    expect_text(loop, &read, "one" NEW_LINE "2" NEW_LINE);
}

/* ---- Pools ---------------------------------------------------------------------------------- */

static struct {
    cede_pool *pool;
    void *kept;
    char text[40];
    size_t bytes;
} many;

static void on_item(cede_req *req, cede_result item)
{
    (void)req;
    CHECK(many.bytes + item.count < sizeof many.text);
    memcpy(many.text + many.bytes, item.buffer, (size_t)item.count);
    many.bytes += (size_t)item.count;
    if (many.kept)
        cede_pool_give(many.pool, many.kept);
    many.kept = item.buffer;
}

/* With one buffer of four bytes: what is not received keeps. */
static void pool_waits_for_its_buffer(cede_loop *loop, cede_handle input)
{
    static note receive;
    cede_ticket ticket;
    memset(&receive, 0, sizeof receive);
    memset(&many, 0, sizeof many);
    CHECK(cede_pool_open(loop, 1, 4, 0, &many.pool) == CEDE_OK);
    cede_prep_recv_pool(&receive.req, input, many.pool);
    cede_submit(loop, &receive.req, note_done);
    type("pool of 4\\r");
    run_until(loop, &receive);
    CHECK(receive.result.status == CEDE_OK && receive.result.count == 4);
    CHECK(memcmp(receive.result.buffer, "pool", 4) == 0);
    many.kept = receive.result.buffer;
    memset(&receive, 0, sizeof receive);
    cede_prep_recv_many(&receive.req, input, many.pool, CEDE_CREDIT_ALL, on_item);
    ticket = cede_submit(loop, &receive.req, note_done);
    CHECK(cede_run(loop, 5 * CEDE_MILLISECOND) >= 0 && many.bytes == 0);
    while (many.bytes < strlen(" of 4" NEW_LINE)) {
        if (many.kept)
            cede_pool_give(many.pool, many.kept);
        many.kept = NULL;
        CHECK(cede_run(loop, CEDE_MILLISECOND) >= 0);
    }
    CHECK(memcmp(many.text, " of 4" NEW_LINE, many.bytes) == 0);
    cede_cancel(ticket);
    run_until(loop, &receive);
    CHECK(receive.result.status == CEDE_ECANCELED && receive.result.count == many.bytes);
    if (many.kept)
        cede_pool_give(many.pool, many.kept);
    cede_pool_close(many.pool);
    expect_line(loop, input, "rest\\r", "rest" NEW_LINE);
}

/* ---- Ends ----------------------------------------------------------------------------------- */

static void end_is_typed(cede_loop *loop, cede_handle input)
{
    static note read;
    begin_read(loop, &read, input, sizeof room);
    at_end_of_input();
    type(END_KEYS);
    expect_end(loop, &read, CEDE_OK, 0);
    expect_line(loop, input, "more\\r", "more" NEW_LINE);
}

static uint32_t heard;

static void on_signal(cede_req *req, cede_result item)
{
    (void)req;
    heard |= CEDE_SIGNAL_BIT(item.count);
}

static void interrupt_is_no_end(cede_loop *loop, cede_handle input)
{
    static note read, signals;
    const uint32_t both =
        CEDE_SIGNAL_BIT(CEDE_SIGNAL_INTERRUPT) | CEDE_SIGNAL_BIT(CEDE_SIGNAL_QUIT);
    cede_ticket ticket;
    heard = 0;
    memset(&signals, 0, sizeof signals);
    cede_prep_signal_many(&signals.req, both, on_signal);
    cede_background(&signals.req);
    ticket = cede_submit(loop, &signals.req, note_done);
    begin_read(loop, &read, input, sizeof room);
    CHECK(cede_run(loop, 0) >= 0);
    type("gone\\x03");
    while (heard == 0)
        CHECK(cede_run(loop, CEDE_MILLISECOND) >= 0);
    CHECK(heard == CEDE_SIGNAL_BIT(CEDE_SIGNAL_INTERRUPT) && read.calls == 0);
    if (!interrupt_by_break())
        heard = both;
    while (heard != both)
        CHECK(cede_run(loop, CEDE_MILLISECOND) >= 0);
    CHECK(read.calls == 0);
    type("after\\r");
    expect_text(loop, &read, "after" NEW_LINE);
    cede_cancel(ticket);
    run_until(loop, &signals);
}

/* ---- Writes --------------------------------------------------------------------------------- */

static void write_text(cede_loop *loop, cede_handle output, const char *text, size_t bytes)
{
    static note write;
    memset(&write, 0, sizeof write);
    cede_prep_write_all(&write.req, output, text, bytes, CEDE_CURRENT);
    cede_submit(loop, &write.req, note_done);
    run_until(loop, &write);
    CHECK(write.result.status == CEDE_OK && write.result.count == bytes);
}

/* terminal.sh looks for what these show. */
static void writes_are_shown(cede_loop *loop, cede_handle output)
{
    static note write;
    static const char text[] = "price: 7 \xe2\x82\xac uro\n";
    static char green[] = "gr\xc3\xbcn\n";
    static const cede_vec vec[3] = {{green, 3}, {green + 3, 1}, {green + 4, 2}};
    static char long_text[9001];
    for (size_t i = 0; i + 1 < sizeof text; i++) /* byte by byte */
        write_text(loop, output, text + i, 1);
    memset(&write, 0, sizeof write);
    cede_prep_sendv(&write.req, output, vec, 3);
    cede_submit(loop, &write.req, note_done);
    run_until(loop, &write);
    CHECK(write.result.status == CEDE_OK && write.result.count == 6);
    for (size_t i = 0; i + 1 < sizeof long_text; i++)
        long_text[i] = "abcdefghijklmnopqrstuvwxyz"[i % 26];
    for (size_t i = 59; i + 1 < sizeof long_text; i += 60)
        long_text[i] = '\n';
    memcpy(long_text + sizeof long_text - 14, "end of pages\n", 14);
    write_text(loop, output, long_text, sizeof long_text - 1);
}

/* ---- Children ------------------------------------------------------------------------------- */

/* The terminal is its child's while nobody here waits for what is typed. */
static void child_has_the_terminal(cede_loop *loop, cede_handle input, const char *program)
{
    static note start, end;
    char number[20];
    const char *const arguments[] = {program, number, NULL};
    const cede_spawn how = {.program = program,
                            .arguments = arguments,
                            .flags = CEDE_SPAWN_INHERIT_INPUT | CEDE_SPAWN_INHERIT_OUTPUT |
                                     CEDE_SPAWN_INHERIT_ERROR};
    cede_ticket ticket = begin_read(loop, &end, input, sizeof room);
    CHECK(cede_run(loop, 20 * CEDE_MILLISECOND) >= 0); /* what would be begun at once is begun */
    cede_cancel(ticket);
    expect_end(loop, &end, CEDE_ECANCELED, CEDE_BY_WISH);
    (void)snprintf(number, sizeof number, "%u", asked);
    memset(&start, 0, sizeof start);
    memset(&end, 0, sizeof end);
    cede_prep_spawn(&start.req, &how, NULL);
    cede_submit(loop, &start.req, note_done);
    run_until(loop, &start);
    CHECK(start.result.status == CEDE_OK);
    cede_prep_child_wait(&end.req, start.result.handle);
    cede_submit(loop, &end.req, note_done);
    run_until(loop, &end);
    CHECK(end.result.status == CEDE_OK && end.result.count == 3);
    cede_drop(start.result.handle);
    asked++;
}

static int be_child(const char *number)
{
    cede_loop *loop;
    asked = (unsigned)strtoul(number, NULL, 10);
    CHECK(is_terminal() && open_loop(backends[0], &loop) == CEDE_OK);
    expect_line(loop, terminal_input(), "child\\r", "child" NEW_LINE);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 3;
}

/* ---- All of it ------------------------------------------------------------------------------ */

/* A loop closes at once while a line is being typed; the next has the whole of it. */
static void loop_leaves_the_line(const char *backend)
{
    static note read;
    cede_loop *loop;
    CHECK(open_loop(backend, &loop) == CEDE_OK);
    begin_read(loop, &read, terminal_input(), sizeof room);
    note_reads();
    type("le");
    await_line_begun(loop);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    CHECK(read.calls == 1 && read.result.status == CEDE_ECANCELED && read.result.count == 0);
    CHECK(open_loop(backend, &loop) == CEDE_OK);
    cede_handle input = terminal_input();
    begin_read(loop, &read, input, sizeof room);
    CHECK(cede_run(loop, 0) >= 0);
    cede_drop(input); /* its close comes at once as well */
    expect_end(loop, &read, CEDE_ECANCELED, CEDE_BY_CLOSE);
    expect_line(loop, terminal_input(), "ft\\r", "left" NEW_LINE);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

static void all_of(cede_loop *loop, const char *program)
{
    cede_handle input = terminal_input(), output = terminal_output();
    what_it_is(loop, input);
    read_holds_up_nobody(loop, input);
    nothing_typed_is_lost(loop, input);
    half_a_line_is_kept(loop, input);
    line_comes_in_pieces(loop, input);
    all_takes_two_lines(loop, input);
    pool_waits_for_its_buffer(loop, input);
    end_is_typed(loop, input);
    interrupt_is_no_end(loop, input);
    child_has_the_terminal(loop, input, program);
    writes_are_shown(loop, output);
    odd_results(loop);
}

int main(int count, char **arguments)
{
    cede_loop *loop;
    if (!is_terminal()) {
        fprintf(stderr, "standard input is no terminal\n");
        return 77;
    }
    if (count > 1)
        return be_child(arguments[1]);
    port_limit(60);
    for (const char *const *backend = backends; backend == backends || *backend; backend++) {
        if (open_loop(*backend, &loop) != CEDE_OK) {
            fprintf(stderr, "there is no real backend here\n");
            return 77;
        }
        all_of(loop, arguments[0]);
        CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
        loop_leaves_the_line(*backend);
    }
    return 0;
}
