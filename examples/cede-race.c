/*
 * cede-race: connects to a host by whichever of its addresses answers first, as RFC 8305 (Happy
 * Eyeballs) has it, and shows how it went.
 *
 *     cede-race HOST:PORT
 *     cede-race ADDRESS:PORT...
 *     cede-race --sim [--aaaa MS] [--a MS] ADDRESS=FATE...
 *
 * Both families are looked up at the same time. IPv6 goes first, even if it is up to 50 ms late;
 * then the families take turns. The next attempt begins 250 ms after the last one, or at once when
 * one has failed. Who connects first wins, and all else is cancelled.
 *
 * What to see: the race is a scope, and the end of the race is one call. No loser is remembered
 * anywhere: each is a request with its own memory, which its own callback frees, once, whether it
 * was cancelled, failed, or had connected just as it was cancelled, which is delivered too and has
 * to be closed. With --sim the network is made up (FATE is "lost", "MS" or "refused@MS") and its
 * time virtual, so that every such case can be had at will, to the same output each time.
 */
#include "cede-race.h"
#include "example_args.h"
#include "example_os.h"

#include <stdio.h>
#include <stdlib.h>

#define ATTEMPT_NS    (250 * CEDE_MILLISECOND)
#define RESOLUTION_NS (50 * CEDE_MILLISECOND)
#define LIMIT_NS      (30 * CEDE_SECOND)

enum { V6, V4, FAMILIES };

/* The look-up of a family, and what it has brought. */
typedef struct family {
    cede_req ask;
    cede_address found[ADDRESSES_MOST];
    uint32_t count, tried;
    uint64_t after_ns; /* simulated */
    bool over;
} family;

static struct {
    cede_loop *loop;
    bool sim;
    cede_req scope;
    cede_ticket life;
    family families[FAMILIES];
    int turn; /* the family that is next */
    cede_req delay;
    cede_ticket delaying;
    uint32_t attempts, running;
    bool waits; /* the delay is under way */
    uint64_t started_ns;
    cede_handle winner;
    cede_status why_not; /* of the last attempt that failed */
    cede_status status;
} race;

/* One of the runners. */
typedef struct attempt {
    cede_req req;
    uint32_t number;
    cede_address to;
} attempt;

static const char *const family_names[FAMILIES] = {"IPv6", "IPv4"};

/* "  250 ms  " and what follows is one line. */
static void at_this_time(void)
{
    uint64_t ns = cede_now(race.loop) - race.started_ns;
    printf("%5llu ms  ", (unsigned long long)(ns / CEDE_MILLISECOND));
}

static void go_on(void);

/* ---- Attempts ------------------------------------------------------------------------------- */

static void on_delay(cede_req *req, cede_result r)
{
    (void)req;
    race.waits = false;
    if (r.status == CEDE_OK)
        go_on();
}

/* From now on, so long until the next step. */
static void delay(uint64_t ns)
{
    if (race.waits) {
        cede_extend(race.delaying, ns);
        return;
    }
    race.waits = true;
    cede_prep_timer(&race.delay, ns);
    cede_in(&race.delay, race.life);
    race.delaying = cede_submit(race.loop, &race.delay, on_delay);
}

static void on_connected(cede_req *req, cede_result r)
{
    attempt *a = CEDE_CONTAINER(req, attempt, req);
    race.running--;
    at_this_time();
    if (r.handle && race.winner) { /* cancelled too late: a connection all the same */
        printf("%u  connected too, and is closed\n", a->number);
        cede_drop(r.handle);
    } else if (r.handle) {
        printf("%u  connected\n", a->number);
        race.winner = r.handle;
        cede_fail(race.life, CEDE_OK); /* the race is over: ends all that is in it */
    } else if (r.flags & CEDE_BY_SCOPE) {
        printf("%u  cancelled\n", a->number);
    } else {
        printf("%u  failed: %s\n", a->number, cede_strerror(r.status));
        race.why_not = r.status;
        delay(0); /* the next without a wait */
    }
    free(a);
}

/* The next address, of the families in turn; NULL: there is none now. */
static const cede_address *next_address(void)
{
    for (int i = 0; i < FAMILIES; i++) {
        family *f = &race.families[race.turn];
        race.turn = (race.turn + 1) % FAMILIES;
        if (f->over && f->tried < f->count)
            return &f->found[f->tried++];
    }
    return NULL;
}

static void go_on(void)
{
    const cede_address *to = next_address();
    char text[CEDE_ADDRESS_TEXT];
    attempt *a;
    if (!to) {
        if (race.running == 0 && race.families[V6].over && race.families[V4].over)
            cede_fail(race.life, race.why_not);
        return;
    }
    a = malloc(sizeof *a);
    if (!a) {
        cede_fail(race.life, CEDE_ENOMEM);
        return;
    }
    a->to = *to;
    a->number = ++race.attempts;
    at_this_time();
    cede_address_print(to, text, sizeof text);
    printf("%u  to %s\n", a->number, text);
    race.running++;
    if (race.sim)
        sim_prep_connect(&a->req, to);
    else
        cede_prep_connect(&a->req, to, 0);
    cede_in(&a->req, race.life);
    cede_submit(race.loop, &a->req, on_connected);
    CEDE_GONE(a);
    delay(ATTEMPT_NS);
}

/* ---- Look-ups ------------------------------------------------------------------------------- */

static void on_found(cede_req *req, cede_result r)
{
    family *f = CEDE_CONTAINER(req, family, ask);
    int which = (int)(f - race.families);
    bool other_over = race.families[1 - which].over;
    f->over = true;
    if (r.flags & CEDE_BY_SCOPE)
        return;
    at_this_time();
    if (r.status) {
        printf("%s: %s\n", family_names[which], cede_strerror(r.status));
        if (race.why_not == CEDE_OK || r.status != CEDE_ENONAME)
            race.why_not = r.status;
    } else {
        if (!race.sim)
            f->count = r.count < ADDRESSES_MOST ? (uint32_t)r.count : ADDRESSES_MOST;
        printf("%s: %u address%s\n", family_names[which], f->count, f->count == 1 ? "" : "es");
    }
    if (race.attempts == 0 && which == V4 && !other_over && f->count)
        delay(RESOLUTION_NS); /* IPv6 has so long to come */
    else if (race.attempts == 0 || !race.waits)
        delay(0);
}

static void ask(int which, const char *host, uint16_t port)
{
    family *f = &race.families[which];
    if (race.sim)
        cede_prep_timer(&f->ask, f->after_ns);
    else
        cede_prep_lookup(&f->ask, host, port, which == V6 ? CEDE_LOOKUP_IPV6 : CEDE_LOOKUP_IPV4,
                         f->found, ADDRESSES_MOST);
    cede_in(&f->ask, race.life);
    cede_submit(race.loop, &f->ask, on_found);
}

/* ---- The program ---------------------------------------------------------------------------- */

static void on_end(cede_req *req, cede_result r)
{
    (void)req;
    race.status = r.status;
}

static const char usage[] = "usage: cede-race HOST:PORT\n"
                            "       cede-race ADDRESS:PORT...\n"
                            "       cede-race --sim [--aaaa MS] [--a MS] ADDRESS=FATE...\n"
                            "FATE is \"lost\", \"MS\" (connected then) or \"refused@MS\".\n";

static bool add(const cede_address *address)
{
    family *f = &race.families[address->family == CEDE_ADDRESS_IPV6 ? V6 : V4];
    if (address->family == CEDE_ADDRESS_LOCAL || f->count == ADDRESSES_MOST)
        return false;
    f->found[f->count++] = *address;
    return true;
}

static bool words_of_sim(int count, char **words)
{
    int i = 2;
    for (; i + 1 < count && strncmp(words[i], "--a", 3) == 0; i += 2) {
        int which = strcmp(words[i], "--aaaa") == 0 ? V6 : V4;
        race.families[which].after_ns = strtoul(words[i + 1], NULL, 10) * CEDE_MILLISECOND;
    }
    for (; i < count; i++) {
        cede_address address;
        if (!sim_add(words[i], &address) || !add(&address))
            return false;
    }
    return race.families[V6].count + race.families[V4].count > 0;
}

/* Number addresses, or one name, which goes to *host. */
static bool words_of_world(int count, char **words, char **host, uint16_t *port)
{
    for (int i = 1; i < count; i++) {
        cede_address address;
        if (cede_address_parse(words[i], 0, &address) == CEDE_OK) {
            if (address.port == 0 || !add(&address))
                return false;
        } else if (count != 2 || !args_host(words[i], port)) {
            return false;
        } else {
            *host = words[i];
        }
    }
    return count > 1;
}

static int run(const char *host, uint16_t port)
{
    cede_status status = race.sim ? sim_open(&race.loop) : cede_loop_open(NULL, &race.loop);
    if (status) {
        fprintf(stderr, "cede-race: no loop: %s\n", cede_strerror(status));
        return 1;
    }
    race.started_ns = cede_now(race.loop);
    cede_prep_scope(&race.scope);
    cede_within(&race.scope, LIMIT_NS);
    race.life = cede_submit(race.loop, &race.scope, on_end);
    if (host || race.sim) {
        ask(V6, host, port);
        ask(V4, host, port);
    } else {
        race.families[V6].over = race.families[V4].over = true;
        delay(0);
    }
    cede_run(race.loop, CEDE_FOREVER);
    at_this_time();
    if (race.winner)
        printf("the connection is ours\n");
    else
        printf("no connection: %s\n", cede_strerror(race.status));
    cede_drop(race.winner); /* here it would be put to use */
    status = cede_loop_close(race.loop, CEDE_FOREVER);
    if (race.sim)
        sim_close();
    return status || !race.winner;
}

int main(int count, char **words)
{
    char *host = NULL;
    uint16_t port = 0;
    os_begin(&count, &words);
    if (args_help(count, words, usage))
        return 0;
    race.sim = count > 1 && strcmp(words[1], "--sim") == 0;
    if (race.sim ? !words_of_sim(count, words) : !words_of_world(count, words, &host, &port)) {
        fputs(usage, stderr);
        return 2;
    }
    return run(host, port);
}
