/*
 * S9: the k-th fallible call fails. Modes 0 and 1 are the allocator's (the k-th only, or all from
 * the k-th on); the following ones are the world's own (its system calls).
 *
 * Each k runs in a process of its own, because the library keeps what it once got.
 */
#include "inner.h"

#include <stdlib.h>

#define FOR_GOOD_CALLS 200u

static struct {
    _Atomic uint64_t calls; /* allocations since armed */
    _Atomic uint64_t k;     /* 0: off */
    _Atomic uint64_t all;   /* allocations ever */
    _Atomic int64_t blocks; /* not given back */
    _Atomic bool on;        /* from then on */
    _Atomic bool hit;
} faults;

static void *resize(void *context, void *memory, size_t bytes)
{
    (void)context;
    if (bytes == 0) {
        atomic_fetch_sub(&faults.blocks, memory != NULL);
        free(memory);
        return NULL;
    }
    uint64_t k = atomic_load(&faults.k);
    atomic_fetch_add(&faults.all, 1);
    if (k) {
        uint64_t call = atomic_fetch_add(&faults.calls, 1) + 1;
        if (call == k || (call > k && atomic_load(&faults.on))) {
            atomic_store(&faults.hit, true);
            return NULL;
        }
    }
    void *got = realloc(memory, bytes);
    atomic_fetch_add(&faults.blocks, !memory && got);
    return got;
}

uint64_t cft_allocations(void)
{
    return atomic_load(&faults.all);
}

int64_t cft_blocks(void)
{
    return atomic_load(&faults.blocks);
}

void cft_faults_install(void)
{
    static const cede_allocator allocator = {resize, NULL};
    (void)cede_set_allocator(&allocator);
}

void cft_faults_arm(cft *t)
{
    atomic_store(&faults.calls, 0);
    atomic_store(&faults.hit, false);
    if (t->variant < CFT_ALLOC_MODES) {
        atomic_store(&faults.on, t->variant == 1);
        atomic_store(&faults.k, t->k);
    } else if (t->world->fault) {
        t->world->fault(t, t->state, t->variant - CFT_ALLOC_MODES, t->k);
    }
}

void cft_faults_off(cft *t)
{
    atomic_store(&faults.k, 0);
    if (t->world->fault)
        t->world->fault(t, t->state, 0, 0);
}

void cft_kth_arm(cft_kth *kth, uint32_t mode, uint64_t k)
{
    kth->mode = mode;
    atomic_store(&kth->calls, 0);
    atomic_store(&kth->k, k);
}

bool cft_kth_fails(cft *t, cft_kth *kth, const char *call, bool for_good)
{
    uint64_t k = atomic_load(&kth->k), number;
    if (!k)
        return false;
    number = atomic_fetch_add(&kth->calls, 1) + 1;
    if (number < k || number > k + (for_good ? FOR_GOOD_CALLS : 0))
        return false;
    atomic_store(&kth->hit, true);
    cft_note(t, "made fail: %s, call %llu", call, (unsigned long long)number);
    return true;
}

bool cft_faults_hit(const cft *t)
{
    if (t->variant < CFT_ALLOC_MODES)
        return atomic_load(&faults.hit);
    return t->world->fault_hit && t->world->fault_hit((cft *)t, t->state);
}
