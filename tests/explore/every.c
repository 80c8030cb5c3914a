/*
 * Every program, every schedule: all sequences of at most so many actions of a small alphabet, and
 * for each of them all that the kernel may do: who goes next, what shares a wait, whether a
 * deadline comes first, whether a cancel does. Depth first, without saved states: a run records
 * what it was asked, the next raises the last choice that can be (as src/sim/explore.c does). Where
 * a run comes to a state that was seen at the same action before (state.c), its later choices are
 * not raised: what follows from there has been walked, because a state's later choices are all
 * raised before an earlier one is.
 *
 *     explore-every [--alphabet NAME] [--most N] [--slice I/N]
 *     explore-every --validate    the same without pruning, and compares the outcomes
 */
#include "state.h"

#include "sim/world.h"

#include <time.h>

#define DO(v, ...)                 \
    {                              \
        .verb = V_##v, __VA_ARGS__ \
    }
#define SUBMIT(k, ...)                               \
    {                                                \
        .verb = V_SUBMIT, .kind = K_##k, __VA_ARGS__ \
    }

#define TICK_NS 1024u

enum { US_0, US_1, US_5, US_20, US_60 };

/* Scopes, deadlines, pends, timers; waits for them, also nested; the end of the loop. */
static const action life[] = {
    SUBMIT(scope, .reg = 0),
    SUBMIT(scope, .reg = 0, .attr = A_WITHIN, .time = US_20),
    SUBMIT(pend, .reg = 1, .attr = A_IN, .scope = 0),
    SUBMIT(pend, .reg = 1, .attr = A_WITHIN, .time = US_5),
    SUBMIT(timer, .reg = 2, .attr = A_IN, .scope = 0, .time = US_5),
    SUBMIT(roundtrip, .reg = 2, .attr = A_IN, .scope = 0),
    SUBMIT(roundtrip, .reg = 2, .attr = A_WITHIN, .time = US_5),
    SUBMIT(roundtrip, .reg = 3, .attr = A_ELSEWHERE),
    SUBMIT(roundtrip, .reg = 1, .attr = A_LINK),
    SUBMIT(nop, .reg = 3, .attr = A_IN, .scope = 0, .depth = 1),
    DO(WAIT, .reg = 0, .time = US_60, .depth = 1),
    DO(CANCEL, .reg = 0, .depth = 1),
    DO(CANCEL, .reg = 0),
    DO(CANCEL, .reg = 1),
    DO(CANCEL, .reg = 2),
    DO(FAIL, .scope = 0),
    DO(COMPLETE, .reg = 1),
    DO(EXTEND, .reg = 2, .time = US_60),
    DO(WAIT, .reg = 0, .time = US_60),
    DO(WAIT, .reg = 2, .time = US_60),
    DO(RUN, .time = US_0),
    DO(RUN, .time = US_20),
    DO(ADVANCE, .time = US_60),
    DO(LOOP_CLOSE, .time = US_5),
};

/* Both ends of a pipe: reads and writes, whole ones too, and the ends of its handles. */
static const action pipe_ends[] = {
    SUBMIT(read, .reg = 0, .thing = 4),
    SUBMIT(read, .reg = 1, .thing = 4, .size = 2, .attr = A_WITHIN, .time = US_20),
    SUBMIT(read_all, .reg = 1, .thing = 4, .size = 2),
    SUBMIT(write, .reg = 2, .thing = 5, .size = 3),
    SUBMIT(write_all, .reg = 2, .thing = 5, .size = 5),
    SUBMIT(write, .reg = 2, .thing = 5, .attr = A_LINK),
    SUBMIT(close, .reg = 3, .thing = 4),
    SUBMIT(close, .reg = 3, .thing = 5),
    SUBMIT(read, .reg = 0, .thing = 4, .attr = A_ELSEWHERE),
    SUBMIT(scope, .reg = 4),
    SUBMIT(read, .reg = 0, .thing = 4, .attr = A_IN, .scope = 4),
    DO(OWN, .scope = 4, .thing = 4),
    DO(DROP, .thing = 4),
    DO(CANCEL, .reg = 0),
    DO(CANCEL, .reg = 2),
    DO(CANCEL, .reg = 4),
    DO(WAIT, .reg = 0, .time = US_60),
    DO(WAIT, .reg = 1, .time = US_60),
    DO(WAIT, .reg = 3, .time = US_60),
    DO(RUN, .time = US_0),
    DO(RUN, .time = US_20),
    DO(ADVANCE, .time = US_60),
    DO(LOOP_CLOSE, .time = US_5),
};

/* A file and a name: what a cancel that comes too late leaves. */
static const action file_ends[] = {
    SUBMIT(write_at, .reg = 0, .thing = 0),
    SUBMIT(write_all_at, .reg = 1, .thing = 0, .place = 1, .size = 2),
    SUBMIT(read_at, .reg = 2, .thing = 0, .size = 3),
    SUBMIT(append, .reg = 0, .thing = 1, .attr = A_LINK),
    SUBMIT(append, .reg = 1, .thing = 1),
    SUBMIT(fsync, .reg = 2, .thing = 0, .attr = A_WITHIN, .time = US_5),
    SUBMIT(open, .reg = 3),
    SUBMIT(unlink, .reg = 1),
    SUBMIT(close, .reg = 3, .thing = 0),
    DO(DROP, .thing = 12),
    DO(CANCEL, .reg = 0),
    DO(CANCEL, .reg = 1),
    DO(CANCEL, .reg = 3),
    DO(WAIT, .reg = 0, .time = US_60),
    DO(WAIT, .reg = 1, .time = US_60),
    DO(RUN, .time = US_0),
    DO(RUN, .time = US_20),
    DO(LOOP_CLOSE, .time = US_5),
};

/* Two loops of one thread: a pipe that each may get hold of, what one sends to the other, also from
 * a done, waits by the wrong one, and the end of one while the other goes on. */
static const action two_loops[] = {
    SUBMIT(read, .reg = 0, .thing = 4),
    SUBMIT(read, .reg = 0, .thing = 4, .home = 1),
    SUBMIT(write, .reg = 1, .thing = 5, .home = 1),
    SUBMIT(close, .reg = 3, .thing = 4, .home = 1),
    SUBMIT(roundtrip, .reg = 2, .attr = A_ELSEWHERE, .home = 1),
    SUBMIT(roundtrip, .reg = 2, .attr = A_WITHIN, .time = US_5),
    SUBMIT(nop, .reg = 3, .attr = A_ELSEWHERE, .depth = 1, .home = 1),
    SUBMIT(scope, .reg = 4, .home = 1),
    SUBMIT(pend, .reg = 5, .attr = A_IN, .scope = 4),
    SUBMIT(pend, .reg = 5, .attr = A_IN, .scope = 4, .home = 1),
    DO(OWN, .scope = 4, .thing = 4),
    DO(DROP, .thing = 4),
    DO(CANCEL, .reg = 0),
    DO(CANCEL, .reg = 0, .depth = 1),
    DO(CANCEL, .reg = 4),
    DO(WAIT, .reg = 0, .time = US_60),
    DO(WAIT, .reg = 2, .time = US_60),
    DO(WAIT, .reg = 2, .time = US_60, .depth = 1),
    DO(WAIT, .reg = 2, .attr = A_OTHER, .depth = 1),
    DO(RUN, .time = US_20),
    DO(RUN, .time = US_20, .home = 1),
    DO(LOOP_CLOSE, .time = US_5),
    DO(LOOP_CLOSE, .time = US_5, .home = 1),
};

/* Three buffers and who receives into them: kept, given back, also from callbacks; credit, waits
 * for a buffer, the pool's end. */
static const action pool_ends[] = {
    SUBMIT(recv_pool, .reg = 0, .thing = 4),
    SUBMIT(recv_pool, .reg = 0, .thing = 4, .attr = A_KEEP),
    SUBMIT(recv_pool, .reg = 1, .thing = 4, .attr = A_WITHIN, .time = US_5),
    SUBMIT(recv_many, .reg = 1, .thing = 4, .attr = A_KEEP),
    SUBMIT(recv_many, .reg = 1, .thing = 4, .place = 1, .attr = A_KEEP),
    SUBMIT(recv_many, .reg = 1, .thing = 4, .place = 2, .attr = A_WITHIN, .time = US_20),
    SUBMIT(recv_many, .reg = 1, .thing = 4, .attr = A_IN, .scope = 4),
    SUBMIT(write, .reg = 2, .thing = 5, .size = 3),
    SUBMIT(write_all, .reg = 2, .thing = 5, .size = 9),
    SUBMIT(close, .reg = 3, .thing = 4),
    SUBMIT(close, .reg = 3, .thing = 5),
    SUBMIT(close, .reg = 3, .thing = 4, .depth = 1, .attr = A_ITEM),
    SUBMIT(scope, .reg = 4),
    DO(GIVE, .depth = 0),
    DO(GIVE, .depth = 1),
    DO(POOL_CLOSE, .depth = 0),
    DO(CANCEL, .reg = 0),
    DO(CANCEL, .reg = 1),
    DO(CANCEL, .reg = 1, .depth = 1),
    DO(WAIT, .reg = 0, .time = US_60),
    DO(WAIT, .reg = 1, .time = US_60),
    DO(RUN, .time = US_0),
    DO(RUN, .time = US_20),
    DO(LOOP_CLOSE, .time = US_5),
};

/* A listener and who comes to it, a pair that talks, the halves and the ends of its streams. */
static const action net_ends[] = {
    SUBMIT(connect, .reg = 0),
    SUBMIT(connect, .reg = 0, .attr = A_WITHIN, .time = US_5),
    SUBMIT(accept, .reg = 1, .thing = 8),
    SUBMIT(accept_many, .reg = 1, .thing = 8),
    SUBMIT(accept_many, .reg = 1, .thing = 8, .attr = A_WITHIN, .time = US_20),
    SUBMIT(recv, .reg = 2, .thing = 7),
    SUBMIT(recv_all, .reg = 2, .thing = 7, .size = 3),
    SUBMIT(send, .reg = 4, .thing = 6, .size = 3),
    SUBMIT(send_zero_copy, .reg = 4, .thing = 6, .size = 5),
    SUBMIT(shutdown, .reg = 5, .thing = 6),
    SUBMIT(close, .reg = 3, .thing = 6),
    SUBMIT(close, .reg = 3, .thing = 7),
    SUBMIT(close, .reg = 3, .thing = 8),
    SUBMIT(close, .reg = 3, .thing = 8, .depth = 1, .attr = A_ITEM),
    DO(CANCEL, .reg = 0),
    DO(CANCEL, .reg = 1),
    DO(CANCEL, .reg = 2),
    DO(CANCEL, .reg = 4),
    DO(WAIT, .reg = 0, .time = US_60),
    DO(WAIT, .reg = 1, .time = US_60),
    DO(WAIT, .reg = 2, .time = US_60),
    DO(RUN, .time = US_0),
    DO(RUN, .time = US_20),
    DO(LOOP_CLOSE, .time = US_5),
};

static const struct alphabet {
    const char *name;
    const action *letters;
    uint32_t count;
} alphabets[] = {
    {"life", life, sizeof life / sizeof *life},
    {"pipe", pipe_ends, sizeof pipe_ends / sizeof *pipe_ends},
    {"file", file_ends, sizeof file_ends / sizeof *file_ends},
    {"two", two_loops, sizeof two_loops / sizeof *two_loops},
    {"pool", pool_ends, sizeof pool_ends / sizeof *pool_ends},
    {"net", net_ends, sizeof net_ends / sizeof *net_ends},
};

/* ---- Sets of hashes -------------------------------------------------------------------------- */

typedef struct set {
    uint64_t *at;
    size_t room, count;
} set;

static void set_clear(set *s)
{
    if (s->count)
        memset(s->at, 0, s->room * sizeof *s->at);
    s->count = 0;
}

/* False: it was there. Without 0. */
static bool set_add(set *s, uint64_t hash)
{
    if (2 * s->count >= s->room) {
        set more = {NULL, s->room ? 2 * s->room : 256, 0};
        more.at = calloc(more.room, sizeof *more.at);
        if (!more.at)
            abort();
        for (size_t i = 0; i < s->room; i++) {
            if (s->at[i])
                (void)set_add(&more, s->at[i]);
        }
        free(s->at);
        *s = more;
    }
    size_t place = hash & (s->room - 1);
    for (; s->at[place]; place = (place + 1) & (s->room - 1)) {
        if (s->at[place] == hash)
            return false;
    }
    s->at[place] = hash;
    s->count++;
    return true;
}

/* Equal for equal sets. */
static uint64_t set_sum(const set *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s->room; i++)
        sum += sim_mix(1, s->at[i]) * (s->at[i] != 0);
    return sum;
}

/* ---- One program ----------------------------------------------------------------------------- */

static struct {
    uint64_t programs, runs, states, cuts, most_runs;
} sums;

static program given;
static sim_script script;
static uint16_t prefix[CEDE_SIM_DEPTH_MOST];
static uint32_t cut; /* choices from here on are not raised */
static bool prunes = true;
static set seen, ends; /* of one program: states, outcomes */

/* So that the clock tells little of how often it was looked at: else no two states were equal. The
 * kernel may get on meanwhile, or not. */
static void align_clock(void)
{
    uint64_t over = cede_sim_now(now.world) % TICK_NS;
    if (over)
        cede_sim_advance(now.world, TICK_NS - over);
}

static void between(uint32_t next)
{
    align_clock();
    if (!prunes || script.made < script.given_count || script.made >= cut)
        return;
    uint64_t hash = state_hash(next);
    if (hash && !set_add(&seen, hash)) {
        cut = script.made;
        sums.cuts++;
    }
}

static void say(const char *text)
{
    printf("%s\n", text);
    program_print(&given, stdout);
    printf("the kernel's choices:");
    for (uint32_t i = 0; i < script.made && i < CEDE_SIM_DEPTH_MOST; i++)
        printf(" %u", script.choice[i]);
    putchar('\n');
    (void)fflush(stdout);
    _Exit(1);
}

/* Raises the last choice that can be, of those that are to be; false: all are walked. */
static bool raise_last(void)
{
    uint32_t at = script.made < cut ? script.made : cut;
    if (at > CEDE_SIM_DEPTH_MOST)
        say("a run with more choices than are kept");
    while (at > 0 && script.choice[at - 1] + 1u >= script.among[at - 1])
        at--;
    if (at == 0)
        return false;
    memcpy(prefix, script.choice, at * sizeof *prefix);
    prefix[at - 1]++;
    script.given_count = at;
    return true;
}

static void every_schedule(void)
{
    cede_sim_config config = {.cancel_lose_permille = 500, .batch_permille = 500};
    uint64_t runs = 0;
    config.flags = CEDE_SIM_DEADLOCK_FAILS | CEDE_SIM_LENDS;
    config.waits_most = 100000;
    config.look_ns = config.turn_ns = 1;
    set_clear(&seen);
    set_clear(&ends);
    script.given = prefix;
    script.given_count = 0;
    do {
        script.made = 0;
        cut = UINT32_MAX;
        cede_sim *world = sim_new_scripted(&config, &script);
        if (!world)
            abort();
        program_run(&given, world);
        (void)set_add(&ends, state_outcome() | 1);
        if (cede_sim_free(world) != CEDE_OK)
            say("the world is not free");
        runs++;
    } while (raise_last());
    sums.programs++;
    sums.runs += runs;
    sums.states += seen.count;
    sums.most_runs = runs > sums.most_runs ? runs : sums.most_runs;
}

/* Whether pruning loses an outcome. */
static void compare(void)
{
    prunes = true;
    every_schedule();
    uint64_t sum = set_sum(&ends);
    size_t count = ends.count;
    prunes = false;
    every_schedule();
    if (sum != set_sum(&ends) || count != ends.count) {
        printf("%zu outcomes with pruning, %zu without\n", count, ends.count);
        say("pruning is not sound");
    }
}

/* ---- Every program --------------------------------------------------------------------------- */

static struct {
    uint32_t most, slice, slices;
    bool validates;
} asked = {3, 0, 1, false};

/* Some say the same as shorter ones: a wish or a wait for what was never submitted, a link to
 * nothing, something in nobody's done. */
static bool makes_sense(const program *p)
{
    uint32_t submitted = 0, deep = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        const action *a = &p->action[i];
        bool scope = a->verb == V_FAIL || a->verb == V_OWN || (a->attr & A_IN);
        bool names = a->verb == V_CANCEL || a->verb == V_WAIT || a->verb == V_COMPLETE ||
                     a->verb == V_EXTEND;
        if ((scope && !(submitted >> a->scope & 1)) || (names && !(submitted >> a->reg & 1)) ||
            (a->depth && !deep))
            return false;
        if (a->verb == V_SUBMIT && (a->attr & A_LINK) &&
            (i + 1 == p->count || p->action[i + 1].verb != V_SUBMIT))
            return false;
        if (a->verb == V_SUBMIT) {
            submitted |= 1u << a->reg;
            deep |= a->depth == 0;
        }
    }
    return true;
}

static void extend(const struct alphabet *by, uint64_t *number)
{
    for (uint32_t i = 0; i < by->count; i++) {
        given.action[given.count++] = by->letters[i];
        if (makes_sense(&given) && (*number)++ % asked.slices == asked.slice) {
            if (asked.validates)
                compare();
            else
                every_schedule();
        }
        if (given.count < asked.most)
            extend(by, number);
        given.count--;
    }
}

int main(int argc, char **argv)
{
    const char *name = NULL;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--validate") == 0) {
            asked.validates = true;
            continue;
        }
        if (strcmp(argv[i], "--alphabet") == 0)
            name = value;
        else if (strcmp(argv[i], "--most") == 0)
            asked.most = (uint32_t)strtoul(value, NULL, 0);
        else if (strcmp(argv[i], "--slice") != 0 ||
                 sscanf(value, "%" SCNu32 "/%" SCNu32, &asked.slice, &asked.slices) != 2)
            return 2;
        i++;
    }
    stage_allocator();
    explore_broken = say;
    explore_between = between;
    given.manners = 1;
    for (size_t i = 0; i < sizeof alphabets / sizeof *alphabets; i++) {
        uint64_t number = 0;
        clock_t start = clock();
        if (name && strcmp(name, alphabets[i].name) != 0)
            continue;
        memset(&sums, 0, sizeof sums);
        extend(&alphabets[i], &number);
        printf("%s: %" PRIu64 " programs of at most %" PRIu32 " actions of %" PRIu32 ", %" PRIu64
               " schedules (at most %" PRIu64 " of one program), %" PRIu64 " states, %" PRIu64
               " runs cut at a state seen before: all is well, %.1f s of CPU\n",
               alphabets[i].name, sums.programs, asked.most, alphabets[i].count, sums.runs,
               sums.most_runs, sums.states, sums.cuts, (double)(clock() - start) / CLOCKS_PER_SEC);
        (void)fflush(stdout);
    }
    return 0;
}
