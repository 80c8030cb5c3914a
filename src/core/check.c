/*
 * Checked builds: what is ceded is poisoned, what is lent is held by a checksum (law 5).
 *
 * From submit to done the request and its outputs are poisoned for AddressSanitizer, and out of
 * bounds for valgrind, so that a touch traps at its line. Inputs may be read meanwhile, so they are
 * not poisoned: checksums over them and the request are taken at submit and compared before done.
 * That finds a change also where no tool runs. The kernel writes through the poison; backends open
 * it for accesses of their own (cede_core_touch).
 *
 * A free is told in three ways. AddressSanitizer lets poisoned memory be freed in silence, so a
 * hook looks. Under valgrind two bytes of the request stay open, and are tried before done: memory
 * that was freed, or a stack frame that was left, is not. Elsewhere the checksum finds what the
 * allocator or the next owner wrote there.
 *
 * AddressSanitizer's poison has a granule of eight bytes; one that is shared with foreign memory is
 * left out. valgrind is told of each byte.
 *
 * What lies in memory from cede_checked_alloc is besides guarded by pages: guard.c. Buffers of
 * pools that nobody has are shut too: check_pool.c.
 */
#include "guard.h"

#ifdef CEDI_CHECKED

#include <string.h>

#ifdef CEDI_WITH_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(memory, bytes)   __asan_poison_memory_region(memory, bytes)
#define UNPOISON(memory, bytes) __asan_unpoison_memory_region(memory, bytes)
#if defined(__GNUC__)
#define THROUGH_POISON __attribute__((no_sanitize_address))
#else
#define THROUGH_POISON __declspec(no_sanitize_address)
#endif
/* gcc ships no header for the allocator's part of the same interface. */
int __sanitizer_get_ownership(const volatile void *);
size_t __sanitizer_get_allocated_size(const volatile void *);
int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t),
                                              void (*)(const volatile void *));
#else
#define POISON(memory, bytes)   ((void)(memory), (void)(bytes))
#define UNPOISON(memory, bytes) ((void)(memory), (void)(bytes))
#define THROUGH_POISON
#endif

#if defined(__has_include)
/* cppcheck-suppress preprocessorErrorDirective */
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#endif
#ifndef VALGRIND_MAKE_MEM_NOACCESS
#define VALGRIND_MAKE_MEM_NOACCESS(memory, bytes)        ((void)(memory), (void)(bytes))
#define VALGRIND_MAKE_MEM_DEFINED(memory, bytes)         ((void)(memory), (void)(bytes))
#define VALGRIND_CHECK_MEM_IS_ADDRESSABLE(memory, bytes) ((void)(memory), (void)(bytes), 0)
#endif

/* No object is larger. A length beyond it is told by the kernel; its memory is not looked at. */
#define LARGEST (UINT64_C(1) << 40)

bool cede_is_checked(void)
{
    return true;
}

/* ---- Regions -------------------------------------------------------------------------------- */

typedef struct region {
    uintptr_t from, to;
} region;

static bool granules(const void *memory, uint64_t bytes, region *out)
{
    out->from = ((uintptr_t)memory + 7) & ~(uintptr_t)7;
    out->to = ((uintptr_t)memory + (uintptr_t)bytes) & ~(uintptr_t)7;
    return out->from < out->to;
}

void cedi_shut(const void *memory, uint64_t bytes, void *context)
{
    region part;
    (void)context;
    if (!memory || bytes > LARGEST)
        return;
    VALGRIND_MAKE_MEM_NOACCESS(memory, bytes);
    if (granules(memory, bytes, &part))
        POISON((void *)part.from, part.to - part.from);
}

void cedi_open_up(const void *memory, uint64_t bytes, void *context)
{
    region part;
    (void)context;
    if (!memory || bytes > LARGEST)
        return;
    VALGRIND_MAKE_MEM_DEFINED(memory, bytes); /* it has not seen the kernel write */
    if (granules(memory, bytes, &part))
        UNPOISON((void *)part.from, part.to - part.from);
}

/* Of arguments that mean something. Also called for requests that are shut. */
THROUGH_POISON void cedi_each_output(uint8_t op, const cede_args *args, cedi_region_fn *visit,
                                     void *context)
{
    switch (op) {
    case CEDE_OP_READ:
    case CEDE_OP_READ_ALL:
    case CEDE_OP_READDIR:
    case CEDE_OP_RECV:
    case CEDE_OP_RECV_ALL:
        visit(args->io.buffer, args->io.length_bytes, context);
        break;
    case CEDE_OP_RECVFROM:
        visit(args->datagram.buffer, args->datagram.length_bytes, context);
        visit(args->datagram.from, sizeof(cede_address), context);
        break;
    case CEDE_OP_ACCEPT:
    case CEDE_OP_NAME:
        visit(args->net.out, sizeof(cede_address), context);
        break;
    case CEDE_OP_PAIR:
        visit(args->net.out, sizeof(cede_handle), context);
        break;
    case CEDE_OP_READV:
        for (uint64_t i = 0; i < args->vec.count; i++)
            visit(args->vec.vec[i].base, args->vec.vec[i].length_bytes, context);
        break;
    case CEDE_OP_STAT:
    case CEDE_OP_STAT_HANDLE:
        visit(args->path.out, sizeof(cede_stat), context);
        break;
    case CEDE_OP_READLINK:
        visit(args->path.out, args->path.length_bytes, context);
        break;
    case CEDE_OP_LOOKUP:
        visit(args->path.out, args->path.length_bytes * sizeof(cede_address), context);
        break;
    case CEDE_OP_SPAWN:
        visit(args->spawn.id, sizeof *args->spawn.id, context);
        break;
    default:
        break;
    }
}

static void visit_text(const char *text, cedi_region_fn *visit, void *context)
{
    if (text)
        visit(text, strlen(text) + 1, context);
}

/* Inputs are visited by steps: what the request names; what that names; and what that does. So a
 * change is told before what was changed is followed. */
#define STEPS 3

static void visit_texts(const char *const *texts, int step, cedi_region_fn *visit, void *context)
{
    const char *const *at = texts;
    if (!texts)
        return;
    for (; *at; at++) {
        if (step == 3)
            visit_text(*at, visit, context);
    }
    if (step == 2)
        visit(texts, (size_t)(at + 1 - texts) * sizeof *texts, context);
}

static void visit_spawn(const cede_spawn *how, int step, cedi_region_fn *visit, void *context)
{
    if (step == 1) {
        visit(how, sizeof *how, context);
        return;
    }
    if (step == 2) {
        visit_text(how->program, visit, context);
        visit_text(how->directory, visit, context);
    }
    visit_texts(how->arguments, step, visit, context);
    visit_texts(how->environment, step, visit, context);
}

static void visit_vector(const cede_args *args, int step, cedi_region_fn *visit, void *context)
{
    if (step == 1)
        visit(args->vec.vec, args->vec.count * sizeof *args->vec.vec, context);
    for (uint64_t i = 0; step == 2 && i < args->vec.count; i++)
        visit(args->vec.vec[i].base, args->vec.vec[i].length_bytes, context);
}

static void visit_plain(uint8_t op, const cede_args *args, cedi_region_fn *visit, void *context)
{
    switch (op) {
    case CEDE_OP_WRITE:
    case CEDE_OP_WRITE_ALL:
    case CEDE_OP_APPEND:
    case CEDE_OP_SEND:
    case CEDE_OP_SEND_ALL:
    case CEDE_OP_SEND_ZERO_COPY:
        visit(args->io.buffer, args->io.length_bytes, context);
        break;
    case CEDE_OP_SENDTO:
        visit(args->datagram.buffer, args->datagram.length_bytes, context);
        break;
    case CEDE_OP_LISTEN:
    case CEDE_OP_CONNECT:
        visit_text(args->net.address.path, visit, context);
        break;
    case CEDE_OP_OPEN:
    case CEDE_OP_STAT:
    case CEDE_OP_RENAME:
    case CEDE_OP_UNLINK:
    case CEDE_OP_MKDIR:
    case CEDE_OP_RMDIR:
    case CEDE_OP_LINK:
    case CEDE_OP_SYMLINK:
    case CEDE_OP_READLINK:
    case CEDE_OP_WATCH:
    case CEDE_OP_LOOKUP:
        visit_text(args->path.path, visit, context);
        visit_text(args->path.to, visit, context);
        break;
    default:
        break;
    }
}

static void visit_step(uint8_t op, const cede_args *args, int step, cedi_region_fn *visit,
                       void *context)
{
    if (op == CEDE_OP_SPAWN)
        visit_spawn(args->spawn.how, step, visit, context);
    else if (op == CEDE_OP_WRITEV || op == CEDE_OP_SENDV || (op == CEDE_OP_READV && step == 1))
        visit_vector(args, step, visit, context);
    else if (step == 1)
        visit_plain(op, args, visit, context);
}

void cedi_each_input(uint8_t op, const cede_args *args, cedi_region_fn *visit, void *context)
{
    for (int step = 1; step <= STEPS; step++)
        visit_step(op, args, step, visit, context);
}

/* A refused request has been told what is wrong with it: its arguments are not looked at. */
THROUGH_POISON static bool has_arguments(const cedi_slot *slot)
{
    if (slot->guard)
        return slot->guard->arguments;
    return slot->op != CEDE_OP_NONE && !(slot->req->attributes_ & CEDI_IS_INVALID);
}

static void each_output(const cedi_slot *slot, cedi_region_fn *visit, void *context)
{
    const cede_args *args = slot->guard ? &slot->guard->given : &slot->req->args_;
    if (has_arguments(slot))
        cedi_each_output(slot->op, args, visit, context);
}

/* ---- Checksums ------------------------------------------------------------------------------ */

uint64_t cedi_mix(uint64_t sum, const void *memory, uint64_t bytes)
{
    const unsigned char *at = memory;
    if (bytes > LARGEST)
        return sum;
    while (bytes >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        sum ^= sum >> 29;
        at += 8;
        bytes -= 8;
    }
    while (bytes--)
        sum = (sum ^ *at++) * UINT64_C(0x100000001b3);
    return sum;
}

static void mix_input(const void *memory, uint64_t bytes, void *context)
{
    uint64_t *sum = context;
    *sum = cedi_mix(*sum, memory, bytes);
}

/* Of the request and what it was lent, up to this step. */
static uint64_t checksum(const cedi_slot *slot, uint64_t sum, int step)
{
    if (step == 0)
        sum = cedi_mix(0, slot->req, sizeof *slot->req);
    else if (has_arguments(slot))
        visit_step(slot->op, &slot->req->args_, step, mix_input, &sum);
    VALGRIND_MAKE_MEM_DEFINED(&sum, sizeof sum); /* fields that are not in use may be undefined */
    return sum;
}

/* ---- Poison met ----------------------------------------------------------------------------- */

static void overlap(const void *memory, uint64_t bytes, void *context)
{
    region *block = context;
    uintptr_t from = (uintptr_t)memory;
    if (bytes && bytes <= LARGEST && from < block->to && from + (uintptr_t)bytes > block->from)
        block->to = block->from; /* found: nothing else overlaps an empty block */
}

/* The slot whose request or output lies in this memory; looked for only where there is poison. */
static cedi_slot *ceded_in(uintptr_t from, uintptr_t to)
{
    for (uint32_t number = 1;; number++) {
        cedi_slot *slots = cedi_slot_find((uint64_t)number << CEDI_CHUNK_SHIFT);
        if (!slots)
            return NULL;
        for (uint32_t i = 0; i < CEDI_CHUNK_SLOTS; i++) {
            region block = {from, to};
            if (!slots[i].shut || !slots[i].req)
                continue;
            overlap(slots[i].req, sizeof *slots[i].req, &block);
            each_output(&slots[i], overlap, &block);
            if (block.from == block.to)
                return &slots[i];
        }
    }
}

#ifdef CEDI_WITH_ASAN
static void on_free(const volatile void *memory)
{
    void *block = (void *)(uintptr_t)memory;
    uintptr_t from = (uintptr_t)block, to;
    cedi_slot *slot;
    if (!block || !__sanitizer_get_ownership(block))
        return;
    to = from + __sanitizer_get_allocated_size(block);
    if (!__asan_region_is_poisoned(block, to - from))
        return;
    slot = ceded_in(from, to);
    if (slot)
        cedi_misuse("law 5: freed while it is ceded", slot, NULL);
}

/* Where memory is not all the caller's, or NULL. */
static const volatile char *not_yours(const void *memory, uint64_t bytes)
{
    return __asan_region_is_poisoned((void *)(uintptr_t)memory, (size_t)bytes);
}

static void on_malloc(const volatile void *memory, size_t bytes)
{
    (void)memory, (void)bytes;
}

static void install_hooks(void)
{
    static _Atomic int installed;
    if (!atomic_exchange(&installed, 1))
        (void)__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
}
#else
/* valgrind has reported it by then, with the line of the submit. */
static const volatile char *not_yours(const void *memory, uint64_t bytes)
{
    return (const volatile char *)(uintptr_t)VALGRIND_CHECK_MEM_IS_ADDRESSABLE(memory, bytes);
}

static void install_hooks(void)
{
}
#endif

/* The kernel writes past the end of memory, into what was freed, or into what another request waits
 * for, without a word from a tool: so an output is tried as a whole where it is ceded. */
static void probe(const void *memory, uint64_t bytes, void *context)
{
    const cedi_slot *ceding = context, *other;
    const volatile char *bad;
    if (!memory || !bytes || bytes > LARGEST)
        return;
    bad = not_yours(memory, bytes);
    if (!bad)
        return;
    other = ceded_in((uintptr_t)bad, (uintptr_t)bad + 1);
    if (other)
        cedi_misuse("law 5: an output that is another's already", other, ceding->where);
    (void)*bad; /* traps here */
}

/* No preparation writes slot_, so that a request in flight is known by it even when it was prepared
 * anew. In a fresh request it is any number; that one names a slot of the request is impossible. */
THROUGH_POISON void cedi_check_submit(const cede_req *req, const char *where)
{
    const cedi_slot *slot = cedi_guard_in_flight(req); /* whose memory cannot be read */
    uint32_t id;
    if (slot)
        cedi_misuse("law 17: submitted while in flight", slot, where);
    id = req->slot_;
    VALGRIND_MAKE_MEM_DEFINED(&id, sizeof id);
    slot = cedi_slot_find(id);
    if (slot && slot->req == req && slot->shut)
        cedi_misuse("law 17: submitted while in flight", slot, where);
}

/* ---- The four moments ----------------------------------------------------------------------- */

static void shut_request(const cedi_slot *slot)
{
    cedi_shut(slot->req, sizeof *slot->req, NULL);
    VALGRIND_MAKE_MEM_DEFINED(&slot->req->unused_, sizeof slot->req->unused_);
}

void cedi_check_cede(cedi_slot *slot)
{
    install_hooks();
    slot->guard = cedi_guard_new(slot, has_arguments(slot));
    for (int step = 0; step <= STEPS; step++)
        slot->checksums[step] = checksum(slot, step ? slot->checksums[step - 1] : 0, step);
    each_output(slot, probe, slot);
    if (slot->guard)
        cedi_guard_shut(slot);
    each_output(slot, cedi_shut, NULL);
    slot->shut = true;
    shut_request(slot);
}

static void verify(const cedi_slot *slot)
{
    uint64_t sum = 0;
    for (int step = 0; step <= STEPS; step++) {
        sum = checksum(slot, sum, step);
        if (slot->checksums[step] != sum)
            cedi_misuse(
                "law 5: a request, or an input lent with it, was changed while it was ceded", slot,
                NULL);
    }
}

void cedi_check_return(cedi_slot *slot, uint64_t count)
{
    (void)count;
    slot->shut = false;
    if (slot->guard)
        cedi_guard_open(slot);
    if (VALGRIND_CHECK_MEM_IS_ADDRESSABLE(&slot->req->unused_, sizeof slot->req->unused_))
        cedi_misuse("law 5: freed, or its stack frame left, while it is ceded", slot, NULL);
    cedi_open_up(slot->req, sizeof *slot->req, NULL);
    verify(slot);
    each_output(slot, cedi_open_up, NULL);
    if (slot->guard) {
        cedi_guard_return(slot);
        cedi_guard_free(slot->guard);
        slot->guard = NULL;
    }
}

/* A backend has accesses of its own to the copies only that it is shown of a guarded request. */
void cedi_check_touch(const cedi_slot *slot, bool open, bool outputs)
{
    if (!slot->req || !slot->shut)
        return; /* a pin, or not yet */
    if (slot->guard && !outputs)
        cedi_guard_touch(slot, open);
    if (open)
        cedi_open_up(slot->req, sizeof *slot->req, NULL);
    if (open && outputs && slot->op == CEDE_OP_READV && !slot->guard)
        verify(slot); /* its vector says what the outputs are */
    if (outputs)
        each_output(slot, open ? cedi_open_up : cedi_shut, NULL);
    if (!open)
        shut_request(slot);
}

void cedi_check_borrowed(const cedi_slot *slot)
{
    cedi_check_touch(slot, true, false); /* the callback may have waited, and a turn shut it */
    verify(slot);
    cedi_check_touch(slot, false, false);
}

void cedi_check_each(const cedi_slot *slot, cedi_region_fn *visit, void *context)
{
    cedi_check_touch(slot, true, false);
    visit(slot->req, sizeof *slot->req, context);
    each_output(slot, visit, context);
    if (has_arguments(slot))
        cedi_each_input(slot->op, slot->guard ? &slot->guard->given : &slot->req->args_, visit,
                        context);
    cedi_check_touch(slot, false, false);
}

cede_args *cedi_check_args(const cedi_slot *slot)
{
    if (slot->guard)
        return &slot->guard->shown;
    cedi_check_touch(slot, true, false);
    return &slot->req->args_;
}

void cede_core_touch(cede_core *core, uint64_t token, bool open)
{
    (void)core;
    if (!(token & CEDI_TOKEN_ENTRY))
        cedi_check_touch(cedi_slot_at((uint32_t)token), open, true);
}

#else

bool cede_is_checked(void)
{
    return false;
}

void cede_core_touch(cede_core *core, uint64_t token, bool open)
{
    (void)core, (void)token, (void)open;
}

#endif
