/*
 * The memory that the core and the trials see: relacy's model of C11's, behind the functions that
 * gcc calls under -fsanitize=thread. And the program that runs the trials.
 *
 * Each word that an atomic operation meets becomes one of relacy's; it begins with what is in
 * memory, which everybody has seen, and memory follows it. A plain access is compared, by relacy's
 * clocks, with those of other threads to the same four bytes. The stacks are left out. All of it is
 * forgotten when an iteration ends. Outside of one, and while words.c looks, nothing is modelled.
 *
 * All threads of a trial are fibers of one thread, so this needs no lock.
 */
#include <relacy/relacy.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "trial.h"

namespace
{

typedef rl::atomic_data_impl<TRIAL_THREADS> word_data;

unsigned const table_bits = 15;
unsigned const table_size = 1u << table_bits;
uintptr_t const stack_bytes = 64 * 1024; /* relacy's fibers */

trial const *current;
unsigned epoch = 1;
bool aside; /* what happens now is not the trial's */

/* ---- Tables by address, emptied by the epoch ------------------------------------------------ */

struct word {
    uintptr_t address;
    unsigned epoch;
    rl::atomic_data *data;
    uint64_t value;
    uint64_t history[rl::atomic_history_size];
    char const *name;
};

struct granule {
    uintptr_t address;
    unsigned epoch;
    unsigned writer;
    rl::timestamp_t written, read[TRIAL_THREADS];
};

word words[table_size];
granule granules[table_size];

template <typename T> T *find(T *table, uintptr_t address)
{
    unsigned at =
        (unsigned)((uint64_t)(address >> 2) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - table_bits));
    for (unsigned tries = 0; tries < table_size; tries++, at = (at + 1) % table_size) {
        if (table[at].epoch != epoch || table[at].address == address)
            return &table[at];
    }
    std::abort();
}

/* ---- What happened, for the one who reads it ------------------------------------------------ */

struct event {
    unsigned thread;
    char const *what, *name;
    uintptr_t address;
    uint64_t value;
    unsigned order;
    void const *pc;
};

unsigned const events_most = 400;
event events[events_most];
unsigned long event_count;

void note(char const *what, char const *name, uintptr_t address, uint64_t value, unsigned order,
          void const *pc)
{
    event e = {(unsigned)rl::ctx().threadx_->index_, what, name, address, value, order, pc};
    event &before = events[(event_count - 1) % events_most];
    if (event_count && before.thread == e.thread && before.pc == pc && before.value == value)
        return; /* it waits for somebody */
    events[event_count++ % events_most] = e;
}

void tell()
{
    unsigned long from = event_count > events_most ? event_count - events_most : 0;
    for (; from < event_count; from++) {
        event const &e = events[from % events_most];
        std::printf("  %u %-9s %-16s %#lx = %#lx %s, at %p\n", e.thread, e.what, e.name,
                    (unsigned long)e.address, (unsigned long)e.value,
                    e.order <= rl::mo_seq_cst ? rl::format((rl::memory_order)e.order) : "", e.pc);
    }
}

/* ---- Mutants: an order made weaker ---------------------------------------------------------- */

struct weakness {
    char name[32], operation[16];
    unsigned order;
    bool untagged; /* not an order: the upper half is not compared */
    bool met;
};

weakness weak;

unsigned order_of(word const *w, char const *operation, unsigned order)
{
    if (!weak.name[0] || std::strcmp(w->name, weak.name) || std::strcmp(operation, weak.operation))
        return order;
    weak.met = true;
    if (weak.untagged)
        return order;
    return order == rl::mo_seq_cst || weak.order == rl::mo_relaxed ? weak.order : order;
}

/* "loop.inbox:cas=acq_rel" */
bool parse_weakness(char const *text)
{
    char order[16];
    if (std::sscanf(text, "%31[^:]:%15[^=]=%15s", weak.name, weak.operation, order) != 3)
        return false;
    weak.untagged = std::strcmp(order, "untagged") == 0;
    weak.order = rl::mo_seq_cst;
    for (unsigned i = rl::mo_relaxed; i <= rl::mo_acq_rel; i++) {
        if (std::strcmp(order, rl::format((rl::memory_order)i)) == 0) {
            weak.order = i;
            return true;
        }
    }
    return weak.untagged;
}

/* ---- Atomic operations ---------------------------------------------------------------------- */

bool modelled()
{
    return rl::is_ctx() && rl::ctx().threadx_ && !aside;
}

/* Somebody else's turn, perhaps. Where each step were anybody's, nobody would ever stand still for
 * long while others go far; so in some iterations a thread goes on for a while. */
void step()
{
    static unsigned const stays[] = {0, 8, 14, 31};
    unsigned stay = stays[epoch % 4];
    if (stay == 0 || rl::ctx().rand(stay == 31 ? 32 : 16, rl::sched_type_user) >= stay)
        rl::ctx().sched();
}

word *word_at(uintptr_t address, uint64_t value)
{
    rl::context &c = rl::ctx();
    word *w = find(words, address);
    if (w->epoch == epoch)
        return w;
    w->address = address;
    w->epoch = epoch;
    w->data = c.atomic_ctor(w);
    w->value = value;
    unsigned index = c.threadx_->atomic_init(w->data);
    rl::timestamp_t *seen = static_cast<word_data *>(w->data)->history_[index].first_seen_order_;
    for (unsigned i = 0; i < TRIAL_THREADS; i++)
        seen[i] = (rl::timestamp_t)-1;
    w->history[index] = value;
    aside = true;
    w->name = trial_word(address);
    aside = false;
    return w;
}

template <typename T> T load(T const volatile *memory, unsigned order, void const *pc)
{
    if (!modelled())
        return *memory;
    rl::context &c = rl::ctx();
    step();
    word *w = word_at((uintptr_t)memory, *memory);
    rl::thread_info_base *t = c.threadx_;
    order = order_of(w, "load", order);
    unsigned index = order == rl::mo_seq_cst   ? t->atomic_load_seq_cst(w->data)
                     : order == rl::mo_relaxed ? t->atomic_load_relaxed(w->data)
                                               : t->atomic_load_acquire(w->data);
    note(w->history[index] == w->value ? "load" : "load old", w->name, w->address,
         w->history[index], order, pc);
    return (T)w->history[index];
}

template <typename T> void store(T volatile *memory, T value, unsigned order, void const *pc)
{
    if (!modelled()) {
        *memory = value;
        return;
    }
    rl::context &c = rl::ctx();
    step();
    word *w = word_at((uintptr_t)memory, *memory);
    rl::thread_info_base *t = c.threadx_;
    order = order_of(w, "store", order);
    unsigned index = order == rl::mo_seq_cst   ? t->atomic_store_seq_cst(w->data)
                     : order == rl::mo_relaxed ? t->atomic_store_relaxed(w->data)
                                               : t->atomic_store_release(w->data);
    *memory = value;
    w->value = w->history[index] = value;
    note("store", w->name, w->address, value, order, pc);
}

/* What a read-modify-write writes. */
template <typename T> void change(word *w, T volatile *memory, T value, unsigned order)
{
    rl::thread_info_base *t = rl::ctx().threadx_;
    bool aba;
    unsigned index = order == rl::mo_seq_cst   ? t->atomic_rmw_seq_cst(w->data, aba)
                     : order == rl::mo_acq_rel ? t->atomic_rmw_acq_rel(w->data, aba)
                     : order == rl::mo_release ? t->atomic_rmw_release(w->data, aba)
                     : order == rl::mo_relaxed ? t->atomic_rmw_relaxed(w->data, aba)
                                               : t->atomic_rmw_acquire(w->data, aba);
    *memory = value;
    w->value = w->history[index] = value;
}

enum operation { EXCHANGE, ADD, SUBTRACT, AND, OR };

template <typename T> T result_of(operation op, T old, T operand)
{
    switch (op) {
    case ADD:
        return (T)(old + operand);
    case SUBTRACT:
        return (T)(old - operand);
    case AND:
        return (T)(old & operand);
    case OR:
        return (T)(old | operand);
    default:
        return operand;
    }
}

template <typename T>
T modify(operation op, T volatile *memory, T operand, unsigned order, void const *pc)
{
    static char const *const names[] = {"exchange", "add", "sub", "and", "or"};
    T old = *memory;
    if (!modelled()) {
        *memory = result_of(op, old, operand);
        return old;
    }
    step();
    old = *memory;
    word *w = word_at((uintptr_t)memory, old);
    order = order_of(w, names[op], order);
    change(w, memory, result_of(op, old, operand), order);
    note(names[op], w->name, w->address, w->value, order, pc);
    return old;
}

template <typename T>
bool compare(T volatile *memory, T *expected, T desired, bool may_fail, unsigned order,
             unsigned failure, void const *pc)
{
    if (!modelled()) {
        T old = *memory;
        if (old == *expected)
            *memory = desired;
        bool same = old == *expected;
        *expected = old;
        return same;
    }
    rl::context &c = rl::ctx();
    step();
    word *w = word_at((uintptr_t)memory, *memory);
    rl::thread_info_base *t = c.threadx_;
    order = order_of(w, "cas", order);
    if (weak.untagged && weak.met && !std::strcmp(w->name, weak.name) &&
        (uint32_t)w->value == (uint32_t)*expected) {
        *expected = (T)w->value;
        if ((uint32_t)desired >= 1u << 16) /* a slot's number is small: what follows is anything */
            trial_fail("a stale link became the head");
    }
    if ((T)w->value == *expected && !(may_fail && c.rand(4, rl::sched_type_cas_fail) == 0)) {
        change(w, memory, desired, order);
        note("cas", w->name, w->address, w->value, order, pc);
        return true;
    }
    failure = order_of(w, "cas", failure);
    if (failure == rl::mo_seq_cst)
        t->atomic_load_seq_cst_rmw(w->data);
    else if (failure == rl::mo_relaxed || failure == rl::mo_release)
        t->atomic_load_relaxed_rmw(w->data);
    else
        t->atomic_load_acquire_rmw(w->data);
    *expected = (T)w->value;
    note("cas not", w->name, w->address, w->value, failure, pc);
    return false;
}

/* ---- Plain accesses ------------------------------------------------------------------------- */

granule *granule_at(uintptr_t address)
{
    granule *g = find(granules, address);
    if (g->epoch != epoch) {
        std::memset(g, 0, sizeof *g);
        g->address = address;
        g->epoch = epoch;
    }
    return g;
}

void race(uintptr_t address, char const *what, void const *pc)
{
    note(what, "plain", address, 0, ~0u, pc);
    trial_fail("a data race");
}

void plain(void const *memory, uintptr_t bytes, bool writes, void const *pc)
{
    uintptr_t begin = (uintptr_t)memory, here = (uintptr_t)__builtin_frame_address(0);
    if (!modelled() || begin - here + stack_bytes < 2 * stack_bytes)
        return;
    rl::thread_info_base *t = rl::ctx().threadx_;
    t->own_acq_rel_order_ += 1;
    for (uintptr_t at = begin & ~(uintptr_t)3; at < begin + bytes; at += 4) {
        granule *g = granule_at(at);
        if (g->written > t->acq_rel_order_[g->writer])
            race(at, writes ? "write" : "read", pc);
        for (unsigned i = 0; writes && i < TRIAL_THREADS; i++) {
            if (g->read[i] > t->acq_rel_order_[i])
                race(at, "write", pc);
        }
        if (writes) {
            g->writer = (unsigned)t->index_;
            g->written = t->own_acq_rel_order_;
        } else {
            g->read[t->index_] = t->own_acq_rel_order_;
        }
    }
}

/* ---- A trial, as relacy runs it ------------------------------------------------------------- */

struct suite : rl::test_suite<suite, TRIAL_THREADS> {
    static suite *here;
    rl::mutex lock;
    rl::generic_event flags[2];
    bool begun;

    void before()
    {
        here = this;
        begun = true;
        for (unsigned i = 0; i < 2; i++)
            flags[i].init(false, false, $);
        trial_world_begin();
        if (current->before)
            current->before();
    }

    void thread(unsigned index)
    {
        if (current->thread[index])
            current->thread[index]();
    }

    void after()
    {
        for (unsigned i = 0; i < table_size; i++) {
            if (words[i].epoch == epoch)
                rl::ctx().atomic_dtor(words[i].data);
        }
        for (unsigned i = 0; i < 2; i++)
            flags[i].deinit($);
        epoch++;
        event_count = 0;
    }
};

suite *suite::here;

} // namespace

/* ---- What gcc calls ------------------------------------------------------------------------- */

#define PC __builtin_return_address(0)

extern "C" {

void __tsan_init(void)
{
}
void __tsan_func_entry(void *)
{
}
void __tsan_func_exit(void)
{
}

#define PLAIN(bytes)                             \
    void __tsan_read##bytes(void *at)            \
    {                                            \
        plain(at, bytes, false, PC);             \
    }                                            \
    void __tsan_write##bytes(void *at)           \
    {                                            \
        plain(at, bytes, true, PC);              \
    }                                            \
    void __tsan_unaligned_read##bytes(void *at)  \
    {                                            \
        plain(at, bytes, false, PC);             \
    }                                            \
    void __tsan_unaligned_write##bytes(void *at) \
    {                                            \
        plain(at, bytes, true, PC);              \
    }

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_read_range(void *at, uintptr_t bytes)
{
    plain(at, bytes, false, PC);
}
void __tsan_write_range(void *at, uintptr_t bytes)
{
    plain(at, bytes, true, PC);
}

#define MODIFY(bits, name, op)                                                     \
    uint##bits##_t __tsan_atomic##bits##_##name(uint##bits##_t volatile *at,       \
                                                uint##bits##_t operand, int order) \
    {                                                                              \
        return modify(op, at, operand, (unsigned)order, PC);                       \
    }

#define COMPARE(bits, name, may_fail)                                                             \
    bool __tsan_atomic##bits##_compare_exchange_##name(                                           \
        uint##bits##_t volatile *at, uint##bits##_t *expected, uint##bits##_t desired, int order, \
        int failure)                                                                              \
    {                                                                                             \
        return compare(at, expected, desired, may_fail, (unsigned)order, (unsigned)failure, PC);  \
    }

#define ATOMIC(bits)                                                                               \
    uint##bits##_t __tsan_atomic##bits##_load(uint##bits##_t const volatile *at, int order)        \
    {                                                                                              \
        return load(at, (unsigned)order, PC);                                                      \
    }                                                                                              \
    void __tsan_atomic##bits##_store(uint##bits##_t volatile *at, uint##bits##_t value, int order) \
    {                                                                                              \
        store(at, value, (unsigned)order, PC);                                                     \
    }                                                                                              \
    MODIFY(bits, exchange, EXCHANGE)                                                               \
    MODIFY(bits, fetch_add, ADD)                                                                   \
    MODIFY(bits, fetch_sub, SUBTRACT)                                                              \
    MODIFY(bits, fetch_and, AND)                                                                   \
    MODIFY(bits, fetch_or, OR)                                                                     \
    COMPARE(bits, strong, false)                                                                   \
    COMPARE(bits, weak, true)

ATOMIC(32)
ATOMIC(64)

/* ---- What the trials and their world call --------------------------------------------------- */

uintptr_t trial_self(void)
{
    return modelled() ? (uintptr_t)rl::ctx().threadx_->index_ + 1 : 1;
}

void trial_fail(char const *what)
{
    if (rl::is_ctx() && rl::ctx().threadx_)
        rl::ctx().fail_test(what, rl::test_result_user_assert_failed, RL_INFO);
    std::printf("outside of a trial: %s\n", what);
    std::exit(2);
}

unsigned trial_choose(unsigned below)
{
    return rl::rand(below);
}

void trial_yield(void)
{
    rl::ctx().yield(1, RL_INFO);
}

void trial_lock(void)
{
    if (modelled())
        suite::here->lock.lock($);
}

void trial_unlock(void)
{
    if (modelled())
        suite::here->lock.unlock($);
}

void trial_signal(unsigned which)
{
    suite::here->flags[which].set($);
}

void trial_await(unsigned which, bool timed)
{
    suite::here->flags[which].wait(false, timed, $);
}

void trial_calm(unsigned which)
{
    suite::here->flags[which].wait(true, false, $);
}

} // extern "C"

/* ---- The program ---------------------------------------------------------------------------- */

static int usage(char const *program)
{
    std::printf("usage: %s [--times N] [--weaken WORD:OPERATION=ORDER] [--quiet] [TRIAL...]\n"
                "Exit code 0: nothing was found; 1: something was.\n",
                program);
    return 2;
}

static bool wanted(char const *name, char **names, int count)
{
    for (int i = 0; i < count; i++) {
        if (std::strcmp(name, names[i]) == 0)
            return true;
    }
    return count == 0;
}

/* Whether it found nothing. */
static bool run(trial const *t, unsigned long times, bool quiet)
{
    std::ostringstream output;
    rl::test_params params;
    params.iteration_count = times ? times : t->times;
    params.output_stream = &output;
    params.progress_stream = &output;
    params.output_history = true; /* so that it does not run again what failed: tell() does it */
    params.execution_depth_limit = 20000;
    current = t;
    bool good = rl::simulate<suite>(params);
    if (!good && !quiet)
        tell();
    std::printf("%s: %s after %lu schedules\n", t->name, rl::test_result_str(params.test_result),
                (unsigned long)params.stop_iteration);
    if (!good && !quiet)
        std::printf("%s\n", output.str().c_str());
    return good;
}

int main(int argc, char **argv)
{
    unsigned long times = 0;
    bool quiet = false, good = true;
    int names = 0; /* argv[1] ... are those of trials, once the options are out */
    for (int i = 1; i < argc; i++) {
        if (std::strcmp(argv[i], "--quiet") == 0)
            quiet = true;
        else if (std::strcmp(argv[i], "--times") == 0 && i + 1 < argc)
            times = std::strtoul(argv[++i], NULL, 10);
        else if (std::strcmp(argv[i], "--weaken") == 0 && i + 1 < argc) {
            if (!parse_weakness(argv[++i]))
                return usage(argv[0]);
        } else if (argv[i][0] == '-')
            return usage(argv[0]);
        else
            argv[1 + names++] = argv[i];
    }
    trial_world_begin();
    for (trial const *t = trials; t->name && good; t++) {
        if (wanted(t->name, argv + 1, names))
            good = run(t, times, quiet);
    }
    if (weak.name[0] && good)
        std::printf("%s:%s %s\n", weak.name, weak.operation, weak.met ? "was met" : "is nowhere");
    return good ? 0 : 1;
}
