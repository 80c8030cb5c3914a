/*
 * Law 5 for sockets, names, children and watches: outputs that are touched, inputs that are changed
 * or freed before done. Where the system would need more than there is (a server, a program), the
 * request fails by itself: what is ceded and lent is guarded all the same.
 */
#include "check.h"

#include "cede/relay.h"

#define BYTES 64

static cede_req req, other;
static char bytes[2 * BYTES];

static cede_ticket submit(stage *s)
{
    return cede_submit(s->loop, &req, check_done);
}

/* Submits, and names the place and the operation: for the library's line. */
#define LEND(name)                                          \
    do {                                                    \
        WANT(name);                                         \
        HERE((void)cede_submit(s->loop, &req, check_done)); \
    } while (0)

/* Ends all that pends: what was lent is looked at before each done. */
static void finish(stage *s)
{
    HOLDS(cede_run(s->loop, 0) >= 0);
    HOLDS(cede_loop_close(s->loop, CEDE_FOREVER) == CEDE_OK);
    s->loop = NULL;
}

static void change(stage *s, void *byte)
{
    ++*(volatile char *)byte;
    finish(s);
}

/* ---- Outputs -------------------------------------------------------------------------------- */

void check_touch_recv(stage *s)
{
    cede_prep_recv(&req, s->in, bytes, BYTES);
    cede_ticket ticket = submit(s);
    AT(LOOK(bytes));
    check_finish(s, ticket);
}

void check_touch_recvfrom(stage *s)
{
    cede_address at = cede_address_loopback(CEDE_ADDRESS_IPV4, 0);
    cede_prep_datagram(&req, &at, 0);
    cede_prep_recvfrom(&req, check_opened(s, &req), bytes, BYTES, NULL);
    cede_ticket ticket = submit(s);
    AT(LOOK(bytes + BYTES - 1));
    check_finish(s, ticket);
}

void check_touch_sender(stage *s)
{
    static cede_address from;
    cede_address at = cede_address_loopback(CEDE_ADDRESS_IPV4, 0);
    cede_prep_datagram(&req, &at, 0);
    cede_prep_recvfrom(&req, check_opened(s, &req), bytes, BYTES, &from);
    cede_ticket ticket = submit(s);
    AT(LOOK(&from.ip));
    check_finish(s, ticket);
}

void check_touch_peer(stage *s)
{
    static cede_address peer;
    cede_address at = cede_address_loopback(CEDE_ADDRESS_IPV4, 0);
    cede_prep_listen(&req, &at, 0, 0);
    cede_prep_accept(&req, check_opened(s, &req), &peer);
    cede_ticket ticket = submit(s);
    AT(LOOK(&peer.path));
    check_finish(s, ticket);
}

void check_touch_name(stage *s)
{
    static cede_address own;
    cede_address at = cede_address_loopback(CEDE_ADDRESS_IPV4, 0);
    cede_prep_listen(&req, &at, 0, 0);
    cede_prep_name(&req, check_opened(s, &req), CEDE_NAME_OWN, &own);
    cede_ticket ticket = submit(s);
    AT(LOOK(&own.ip));
    check_finish(s, ticket);
}

void check_touch_second(stage *s)
{
    static cede_handle second;
    cede_prep_pair(&req, CEDE_PAIR_STREAM, &second);
    cede_ticket ticket = submit(s);
    AT(LOOK(&second));
    check_finish(s, ticket);
}

void check_touch_lookup(stage *s)
{
    static cede_address found[4];
    cede_prep_lookup(&req, "127.0.0.1", 1, 0, found, 4);
    cede_ticket ticket = submit(s);
    AT(LOOK(&found[3].path));
    check_finish(s, ticket);
}

static const char *const no_arguments[] = {"program", NULL};

void check_touch_child_number(stage *s)
{
    static uint64_t id;
    static const cede_spawn how = {.program = "/nowhere/at/all", .arguments = no_arguments};
    cede_prep_spawn(&req, &how, &id);
    cede_ticket ticket = submit(s);
    AT(LOOK(&id));
    check_finish(s, ticket);
}

/* The half that is being received into; the request is the first thing in it. */
static cede_relay relay;

static cede_ticket relayed(stage *s)
{
    cede_handle first, second;
    check_pair(s, &first, &second);
    cede_prep_relay(&relay, s->in, first, bytes, sizeof bytes, CEDE_TO_END);
    return cede_submit_relay(s->loop, &relay, check_done);
}

void check_touch_relay(stage *s)
{
    cede_ticket ticket = relayed(s);
    AT(LOOK(&relay.req.user_data));
    check_finish(s, ticket);
}

void check_touch_relay_buffer(stage *s)
{
    cede_ticket ticket = relayed(s);
    AT(LOOK(bytes + 8));
    check_finish(s, ticket);
}

void check_touch_signals(stage *s)
{
    cede_prep_signal_many(&req, CEDE_SIGNAL_BIT(CEDE_SIGNAL_USER_1), check_done);
    cede_ticket ticket = submit(s);
    AT(LOOK(&req.user_data));
    check_finish(s, ticket);
}

/* ---- Lent inputs ---------------------------------------------------------------------------- */

void check_change_send(stage *s)
{
    cede_prep_send(&req, check_stream(s), bytes, BYTES);
    LEND("send");
    change(s, &bytes[BYTES - 1]);
}

void check_change_sendv(stage *s)
{
    static const cede_vec pieces[] = {{bytes, 8}, {bytes + BYTES, 8}};
    cede_prep_sendv(&req, check_stream(s), pieces, 2);
    LEND("sendv");
    change(s, &bytes[BYTES]);
}

void check_change_sendv_vector(stage *s)
{
    static cede_vec pieces[] = {{bytes, 8}, {bytes + BYTES, 8}};
    cede_prep_sendv(&req, check_stream(s), pieces, 2);
    LEND("sendv");
    pieces[1].length_bytes = 7;
    finish(s);
}

/* Large enough that it is not copied, where the system can. */
void check_change_zero_copy(stage *s)
{
    static char large[2 * CEDE_ZERO_COPY_LEAST_BYTES];
    cede_prep_send_zero_copy(&req, check_stream(s), large, sizeof large);
    LEND("send_zero_copy");
    change(s, &large[sizeof large - 1]);
}

void check_change_sendto(stage *s)
{
    cede_address at = cede_address_loopback(CEDE_ADDRESS_IPV4, 0);
    cede_handle socket;
    cede_prep_datagram(&req, &at, 0);
    socket = check_opened(s, &req);
    at.port = 9;
    cede_prep_sendto(&req, socket, bytes, 8, &at);
    memset(&at, 0, sizeof at); /* copied at prep */
    LEND("sendto");
    change(s, &bytes[7]);
}

static char text[] = "/nowhere/at/all";

void check_change_local_path(stage *s)
{
    cede_address at = cede_address_local(text);
    cede_prep_connect(&req, &at, 0);
    LEND("connect");
    change(s, &text[4]);
}

void check_change_host(stage *s)
{
    static char host[] = "127.0.0.1";
    static cede_address found;
    cede_prep_lookup(&req, host, 1, 0, &found, 1);
    LEND("lookup");
    change(s, &host[sizeof host - 2]);
}

void check_change_watched_path(stage *s)
{
    cede_prep_watch(&req, text, 0);
    LEND("watch");
    change(s, &text[4]);
}

static char argument[] = "-x";
static const char *arguments[] = {"program", argument, NULL};
static const char *environment[] = {"HOME=/", NULL};
static cede_spawn program = {.program = "/nowhere/at/all", .arguments = arguments};

void check_change_spawn(stage *s)
{
    cede_prep_spawn(&req, &program, NULL);
    LEND("spawn");
    change(s, &program.flags);
}

void check_change_argument(stage *s)
{
    cede_prep_spawn(&req, &program, NULL);
    LEND("spawn");
    change(s, &argument[1]);
}

void check_change_environment(stage *s)
{
    program.environment = environment;
    cede_prep_spawn(&req, &program, NULL);
    LEND("spawn");
    environment[0] = "HOME=/root";
    finish(s);
}

/* What a function leaves of its frame, the next one that is called takes: here, the same for
 * another program, which is not begun. */
static void (*volatile leave)(stage *, const char *);

static void arguments_on_my_stack(stage *s, const char *path)
{
    const char *volatile words[] = {path, "-x", NULL};
    cede_spawn how = {.program = path};
    how.arguments = check_hidden((void *)(uintptr_t)words);
    cede_prep_spawn(s ? &req : &other, check_hidden(&how), NULL);
    if (!s)
        return;
    WANT("spawn");
    HERE((void)cede_submit(s->loop, &req, check_done));
}

void check_leave_arguments(stage *s)
{
    leave = arguments_on_my_stack;
    leave(s, "/nowhere/at/all");
    leave(NULL, "/nowhere/else");
    finish(s);
}

/* ---- Frees ---------------------------------------------------------------------------------- */

void check_free_zero_copy(stage *s)
{
    char *large = calloc(2, CEDE_ZERO_COPY_LEAST_BYTES);
    cede_prep_send_zero_copy(&req, check_stream(s), large, 2 * CEDE_ZERO_COPY_LEAST_BYTES);
    (void)submit(s);
    AT(free(large));
    finish(s);
}

void check_free_host(stage *s)
{
    char *host = malloc(10);
    static cede_address found;
    memcpy(host, "127.0.0.1", 10);
    cede_prep_lookup(&req, host, 1, 0, &found, 1);
    (void)submit(s);
    AT(free(host));
    finish(s);
}

void check_free_arguments(stage *s)
{
    const char **words = malloc(2 * sizeof *words);
    words[0] = "program";
    words[1] = NULL;
    program.arguments = words;
    cede_prep_spawn(&req, &program, NULL);
    (void)submit(s);
    AT(free(words));
    finish(s);
}

void check_free_relay(stage *s)
{
    cede_relay *mine = malloc(sizeof *mine);
    cede_prep_relay(mine, s->in, check_stream(s), bytes, sizeof bytes, CEDE_TO_END);
    cede_ticket ticket = HERE(cede_submit_relay(s->loop, mine, check_done));
    free(mine);
    check_finish(s, ticket);
}
