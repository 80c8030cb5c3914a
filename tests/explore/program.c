/*
 * Programs: from and to bytes, by a seed, as text. Nothing here depends on the library's state.
 */
#include "explore.h"

static const char *const verb_texts[VERB_COUNT] = {
#define VERB(NAME, weight, text) text,
#include "verbs.def"
};

static const uint32_t verb_weights[VERB_COUNT] = {
#define VERB(NAME, weight, text) weight,
#include "verbs.def"
};

/* ---- What the small numbers of an action stand for ------------------------------------------- */

uint64_t time_of(uint8_t index)
{
    static const uint64_t times[8] = {0, 1000, 5000, 20000, 60000, 200000, 1000000, 20000000};
    return times[index % 8];
}

uint32_t length_of(uint8_t index)
{
    static const uint32_t lengths[8] = {16, 1, 64, 100, 300, 1000, 3, 0};
    return lengths[index % 8];
}

uint32_t offset_of(uint8_t index)
{
    return (index % 8u) * 50u;
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

static action action_from(const uint8_t *b)
{
    return (action){.verb = (uint8_t)((b[0] & 63) % VERB_COUNT),
                    .depth = (uint8_t)((b[0] >> 6) % (DEPTH_MOST + 1)),
                    .kind = (uint8_t)(b[1] % KIND_COUNT),
                    .reg = b[2] & 7,
                    .scope = b[2] >> 3 & 7,
                    .thing = b[3] & 31,
                    .size = b[4] & 7,
                    .home = b[4] >> 3 & 1,
                    .place = b[5] & 7,
                    .time = b[6] & 7,
                    .attr = b[7]};
}

void program_from_bytes(program *p, const uint8_t *b, size_t count)
{
    *p = (program){0};
    if (count < HEAD_BYTES)
        return;
    p->manners = b[0] % 8;
    p->seed = (uint16_t)(b[1] | b[2] << 8);
    for (size_t at = HEAD_BYTES; at + ACTION_BYTES <= count && p->count < ACTIONS_MOST;
         at += ACTION_BYTES)
        p->action[p->count++] = action_from(b + at);
}

size_t program_to_bytes(const program *p, uint8_t b[BYTES_MOST])
{
    uint8_t *at = b + HEAD_BYTES;
    b[0] = p->manners;
    b[1] = (uint8_t)p->seed;
    b[2] = (uint8_t)(p->seed >> 8);
    b[3] = 0;
    for (uint32_t i = 0; i < p->count; i++, at += ACTION_BYTES) {
        const action *a = &p->action[i];
        at[0] = (uint8_t)(a->verb | a->depth << 6);
        at[1] = a->kind;
        at[2] = (uint8_t)(a->reg | a->scope << 3);
        at[3] = a->thing;
        at[4] = (uint8_t)(a->size | a->home << 3);
        at[5] = a->place;
        at[6] = a->time;
        at[7] = a->attr;
    }
    return (size_t)(at - b);
}

/* ---- By a seed ------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint32_t below(uint64_t *seed, uint32_t bound)
{
    return (uint32_t)(next_random(seed) >> 32) % bound;
}

static uint8_t draw_verb(uint64_t *seed)
{
    uint32_t sum = 0, verb = 0;
    for (uint32_t v = 0; v < VERB_COUNT; v++)
        sum += verb_weights[v];
    sum = below(seed, sum);
    while (sum >= verb_weights[verb])
        sum -= verb_weights[verb++];
    return (uint8_t)verb;
}

/* Of one group, of any (G_COUNT), or of the core's. */
static uint8_t draw_kind(uint64_t *seed, uint32_t group)
{
    uint32_t sum = 0, at = 0;
    for (uint32_t k = 0; k < KIND_COUNT; k++)
        sum += group == G_COUNT || kinds[k].group == group ? kinds[k].weight : 0;
    sum = below(seed, sum);
    for (;; at++) {
        if (group != G_COUNT && kinds[at].group != group)
            continue;
        if (sum < kinds[at].weight)
            return (uint8_t)at;
        sum -= kinds[at].weight;
    }
}

/* Somebody has to send what is received into buffers of the pool, or written to a child; and names
 * come and go for watches to tell of. */
static uint32_t draw_other(uint64_t *seed, uint32_t group)
{
    static const uint32_t others[6] = {G_STREAM, G_FILE, G_COUNT, G_COUNT, G_COUNT, G_COUNT};
    uint32_t other = G_COUNT;
    if (group == G_SYSTEM || group == G_POOL)
        other = others[below(seed, 6)];
    if (other == G_FILE && group == G_POOL)
        other = G_STREAM;
    return other == G_COUNT ? group : other;
}

static uint8_t draw_attributes(uint64_t *seed)
{
    static const uint8_t one_in[8] = {4, 6, 14, 9, 8, 3, 3, 2};
    uint32_t attr = 0;
    for (uint32_t bit = 0; bit < 8; bit++)
        attr |= (below(seed, one_in[bit]) == 0 ? 1u : 0u) << bit;
    return (uint8_t)attr;
}

/* What a program is made of. A narrow one has a scope and a pend from its first actions on, two
 * things and three kinds of requests, waits where others run, and joins and gives handles away
 * more: so that much leads to the same, and lies ready while somebody waits for something else. */
typedef struct taste {
    uint32_t group, registers, things, first_thing;
    bool two, narrow; /* two loops */
    uint8_t kinds[3];
} taste;

static taste draw_taste(uint64_t *seed)
{
    taste t = {.group = below(seed, G_COUNT + 1), .registers = 2 + below(seed, REGISTERS - 1)};
    t.two = below(seed, 4) == 0;
    t.narrow = below(seed, 3) == 0;
    t.things = t.narrow ? 2 : THINGS;
    t.first_thing = t.narrow ? below(seed, THINGS) : 0;
    for (uint32_t i = 0; i < 3; i++)
        t.kinds[i] = draw_kind(seed, draw_other(seed, t.group));
    return t;
}

static void draw_action(uint64_t *seed, const taste *t, action *a)
{
    bool core = below(seed, 4) == 0;
    a->verb = draw_verb(seed);
    a->kind = draw_kind(seed, core ? G_CORE : draw_other(seed, t->group));
    a->reg = (uint8_t)below(seed, t->registers);
    a->scope = (uint8_t)below(seed, t->registers);
    a->thing = (uint8_t)((t->first_thing + below(seed, t->things)) % THINGS);
    a->size = (uint8_t)below(seed, 8);
    a->place = (uint8_t)below(seed, 8);
    a->time = (uint8_t)below(seed, 8);
    a->attr = draw_attributes(seed);
    a->home = t->two && below(seed, 5) < 2;
}

enum { NARROW_SCOPE, NARROW_PEND, NARROW_REST }; /* registers of a narrow program */

static void narrow(uint64_t *seed, const taste *t, action *a)
{
    uint32_t luck = below(seed, 12);
    if (luck < 2 || a->verb == V_RUN)
        a->verb = V_WAIT;
    else if (luck == 2)
        a->verb = V_OWN;
    if (below(seed, 4) != 0)
        a->scope = NARROW_SCOPE;
    if (a->verb == V_WAIT) {
        a->reg = (uint8_t)(below(seed, 4) ? below(seed, NARROW_REST) : a->reg);
    } else if (a->verb == V_SUBMIT && a->reg < NARROW_REST) {
        a->reg = NARROW_REST;
    }
    if (a->kind != K_scope && a->kind != K_pend)
        a->kind = t->kinds[below(seed, 3)];
    if (below(seed, 3) == 0)
        a->attr |= A_IN;
}

void program_from_seed(program *p, uint64_t seed)
{
    *p = (program){0};
    p->manners = (uint8_t)below(&seed, 8);
    p->seed = (uint16_t)next_random(&seed);
    p->count = 3 + below(&seed, below(&seed, 4) == 0 ? ACTIONS_MOST - 3 : 18);
    taste t = draw_taste(&seed);
    if (t.narrow)
        p->count = ACTIONS_MOST / 2 + below(&seed, ACTIONS_MOST / 2 + 1);
    uint8_t depth = 0, mine[DEPTH_MOST + 1] = {0};
    for (uint32_t i = 0; i < p->count; i++) {
        action *a = &p->action[i];
        draw_action(&seed, &t, a);
        if (t.narrow)
            narrow(&seed, &t, a);
        a->depth = i > 0 && below(&seed, 3) == 0 ? (uint8_t)(1 + below(&seed, depth + 1u)) : 0;
        if (a->depth > DEPTH_MOST)
            a->depth = DEPTH_MOST;
        if (a->verb == V_WAIT && a->depth > 0 && below(&seed, 3) == 0)
            a->reg = mine[a->depth - 1]; /* for oneself */
        if (a->verb == V_SUBMIT)
            mine[a->depth] = a->reg;
        depth = a->depth;
    }
    if (t.narrow) {
        p->action[0] = (action){.verb = V_SUBMIT, .kind = K_scope, .reg = NARROW_SCOPE};
        p->action[1] = (action){.verb = V_SUBMIT, .kind = K_pend, .reg = NARROW_PEND};
    }
}

/* ---- As text --------------------------------------------------------------------------------- */

static void print_time(uint64_t ns, FILE *out)
{
    if (ns == 0 || ns % 1000000)
        fprintf(out, "%" PRIu64 " us", ns / 1000);
    else
        fprintf(out, "%" PRIu64 " ms", ns / 1000000);
}

static void print_text(const char *text, const action *a, FILE *out)
{
    for (; *text; text++) {
        if (*text != '%') {
            fputc(*text, out);
            continue;
        }
        switch (*++text) {
        case 'r':
            fprintf(out, "r%u", a->reg);
            break;
        case 's':
            fprintf(out, "r%u", a->scope);
            break;
        case 'h':
            fprintf(out, "h%u", a->thing);
            break;
        case 'l':
            fputs(a->home ? "second" : "loop", out);
            break;
        case 'w':
            fputs(a->attr & A_OTHER ? "the other loop" : "its loop", out);
            break;
        case 'p':
            fprintf(out, "%u", a->place);
            break;
        case 'o':
            fprintf(out, "%" PRIu32, offset_of(a->place));
            break;
        case 't':
            print_time(time_of(a->time), out);
            break;
        default:
            fprintf(out, "%" PRIu32, a->verb == V_SUBMIT ? length_of(a->size) : a->size);
            break;
        }
    }
}

static void print_submit(const action *a, FILE *out)
{
    fprintf(out, "r%u = cede_submit%s(%s, ", a->reg, a->attr & A_ELSEWHERE ? "_remote" : "",
            a->home ? "second" : "loop");
    print_text(kinds[a->kind].text, a, out);
    if (a->attr & A_IN)
        fprintf(out, ", in r%u", a->scope);
    if (a->attr & A_WITHIN) {
        fputs(", within ", out);
        print_time(time_of(a->time), out);
    }
    fputs(a->attr & A_BACKGROUND ? ", background" : "", out);
    fputs(a->attr & A_REUSE && a->depth ? ", in the same memory" : "", out);
    fputs(a->attr & A_KEEP && kinds[a->kind].traits & T_POOL ? ", buffers are kept" : "", out);
    fputs(a->attr & A_LINK ? ", linked to the next" : "", out);
    fputc(')', out);
}

void program_print_action(const action *a, FILE *out)
{
    bool wish =
        a->verb == V_CANCEL || a->verb == V_FAIL || a->verb == V_COMPLETE || a->verb == V_DROP;
    for (uint32_t depth = 0; depth < a->depth; depth++)
        fputs("    in its done: ", out);
    if (a->verb == V_SUBMIT)
        print_submit(a, out);
    else
        print_text(verb_texts[a->verb], a, out);
    fputs(wish && (a->attr & A_ELSEWHERE) ? "; by another thread\n" : ";\n", out);
}

void program_print(const program *p, FILE *out)
{
    fprintf(out, "/* a world of manners %u, seed %u */\n", p->manners, p->seed);
    for (uint32_t i = 0; i < p->count; i++)
        program_print_action(&p->action[i], out);
}
