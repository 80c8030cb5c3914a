/*
 * cede_checked_alloc: in checked builds, pages of their own for each allocation.
 *
 * An allocation ends with its last page, but for what aligns it, and a page that nobody may touch
 * follows; what of its first page and of the alignment it has not got holds a canary. Address space
 * is reserved in arenas and carved into blocks of 2^n pages; a block that was freed loses its
 * content and its access, waits in a ring for its turn to come, and is used again: so a touch of
 * freed memory traps for a long while, and a program that runs for hours needs no more address
 * space than in its first minutes. Neither arenas nor blocks are ever given back, so the fault
 * handler can look for an address without a lock.
 *
 * Every change of access splits a mapping, of which a process has a limited number. So not more
 * than BLOCKS_MOST are alive at a time; what comes beyond is plain memory.
 *
 * An arena costs a pointer for each of its pages at once, in a program that allocates a single time
 * too, and its address space where that is limited; its size is the least that keeps their number
 * small, which a look-up has to walk: half a dozen for all blocks of two pages that may be alive.
 *
 * Threads: any, under the process lock. The handler runs on whatever thread had the fault.
 */
#include "guard.h"

#ifdef CEDI_CHECKED

#include <string.h>

#define ALIGNMENT    16u
#define CANARY       0xc5
#define BLOCKS_MOST  8192u
#define WAIT_BLOCKS  1024u /* in the ring, at most */
#define CLASSES      32u
#define ARENA_BYTES  ((size_t)1 << (sizeof(void *) > 4 ? 24 : 22))
#define WAIT_BYTES   (64 * ARENA_BYTES)
#define LARGEST_HERE (SIZE_MAX / 16)

/* Under AddressSanitizer it is all plain memory: that one's allocator sees every byte. */
#ifdef CEDI_WITH_ASAN
#define PAGES false
#else
#define PAGES true
#endif

typedef struct arena {
    struct arena *next;
    uintptr_t from, to, used;
    cedi_block *of_page[];
} arena;

static _Atomic(arena *) arenas;
static arena *carved; /* the one that small blocks come from */
static size_t page_bytes;
static cedi_block *free_blocks[CLASSES];
static cedi_block *waiting[WAIT_BLOCKS];
static uint32_t wait_first, wait_count;
static size_t wait_bytes;
static uint32_t live_count;

/* ---- Looking up ----------------------------------------------------------------------------- */

cedi_block *cedi_block_of(uintptr_t address)
{
    for (arena *a = atomic_load_explicit(&arenas, memory_order_acquire); a; a = a->next) {
        if (address >= a->from && address < a->to)
            return a->of_page[(address - a->from) / page_bytes];
    }
    return NULL;
}

uint32_t cedi_page_of(const cedi_block *block, uintptr_t address)
{
    return (uint32_t)((address - block->base) / page_bytes);
}

void cedi_page_bounds(const cedi_block *block, uint32_t page, uintptr_t *from, uintptr_t *to)
{
    *from = block->base + page * page_bytes;
    *to = *from + page_bytes;
    if (*from < block->from)
        *from = block->from;
    if (*to > block->to)
        *to = block->to;
    if (*to < *from)
        *to = *from;
}

/* ---- Access --------------------------------------------------------------------------------- */

static uint8_t wanted(const cedi_page *page)
{
    return page->shut ? CEDE_OS_NO_ACCESS : page->lent ? CEDE_OS_READ_ONLY : CEDE_OS_WRITABLE;
}

static void set_access(cedi_block *block, uint32_t first, uint32_t count, uint8_t access)
{
    void *at = (void *)(block->base + first * page_bytes);
    bool looser = access > block->page[first].access;
    if (!cede_os_pages_protect(at, count * page_bytes, access)) {
        if (looser)
            cede_os_fatal("cede: the system does not give back the access to checked memory");
        return; /* no room for more mappings: checksums tell what they can */
    }
    for (uint32_t i = first; i < first + count; i++)
        block->page[i].access = access;
}

/* Tells the system what has changed, in as few calls as it can be. */
static void apply(cedi_block *block, uint32_t first, uint32_t count)
{
    uint32_t end = first + count;
    while (first < end) {
        uint8_t access = wanted(&block->page[first]), before = block->page[first].access;
        uint32_t next = first + 1;
        while (next < end && wanted(&block->page[next]) == access &&
               block->page[next].access == before)
            next++;
        if (access != before)
            set_access(block, first, next - first, access);
        first = next;
    }
}

void cedi_pages_hold(cedi_block *block, uint32_t first, uint32_t count, bool lent, uint32_t slot)
{
    for (uint32_t i = first; i < first + count; i++) {
        block->page[i].by = slot;
        block->page[i].lent += lent;
        block->page[i].shut += !lent;
    }
    apply(block, first, count);
}

void cedi_pages_let_go(cedi_block *block, uint32_t first, uint32_t count, bool lent)
{
    for (uint32_t i = first; i < first + count; i++) {
        block->page[i].lent -= lent;
        block->page[i].shut -= !lent;
    }
    apply(block, first, count);
}

void cedi_page_open(cedi_block *block, uint32_t page, bool open)
{
    if (!open)
        apply(block, page, 1);
    else if (block->page[page].access != CEDE_OS_WRITABLE)
        set_access(block, page, 1, CEDE_OS_WRITABLE);
}

/* ---- Canaries ------------------------------------------------------------------------------- */

static bool is_canary(const cedi_block *block, uintptr_t from, uintptr_t to)
{
    if (from == to || block->page[cedi_page_of(block, from)].access == CEDE_OS_NO_ACCESS)
        return true; /* nobody could write there; nor can we read */
    /* The first is right, and each is like the one before it. */
    return *(const unsigned char *)from == CANARY &&
           memcmp((const void *)from, (const void *)(from + 1), to - from - 1) == 0;
}

bool cedi_block_is_sound(const cedi_block *block)
{
    return is_canary(block, block->base + block->first * page_bytes, block->from) &&
           is_canary(block, block->to, block->end);
}

/* ---- Faults --------------------------------------------------------------------------------- */

typedef struct text {
    char line[512];
    size_t length;
} text;

static void add(text *t, const char *piece)
{
    while (*piece && t->length + 1 < sizeof t->line)
        t->line[t->length++] = *piece++;
    t->line[t->length] = '\0';
}

static const char *what_happened(const cedi_block *block, uintptr_t address, const cedi_slot **who)
{
    const cedi_page *page;
    if (!block->live)
        return "touched after cede_checked_free";
    if (address >= block->end)
        return "touched beyond the end of checked memory";
    if (address < block->base + block->first * page_bytes)
        return "touched before the beginning of checked memory";
    page = &block->page[cedi_page_of(block, address)];
    *who = page->shut || page->lent ? cedi_slot_at(page->by) : NULL;
    return page->lent && !page->shut ? "changed while it is lent" : "touched while it is ceded";
}

/* In a signal handler, whatever the thread was about: nothing but a line, like cedi_misuse's. */
static void on_fault(uintptr_t address)
{
    static _Atomic uintptr_t told;
    const cedi_block *block = cedi_block_of(address);
    const cedi_slot *who = NULL;
    text t = {.length = 0};
    if (!block || atomic_exchange(&told, address) == address)
        return; /* not ours; or tried again, because another handler said so */
    add(&t, "cede: law 5: ");
    add(&t, what_happened(block, address, &who));
    if (who && who->op < CEDE_OP_COUNT) {
        add(&t, ": ");
        add(&t, cedi_ops[who->op].name);
    }
    if (who && who->where) {
        add(&t, ", submitted at ");
        add(&t, who->where);
    }
    cede_os_say(t.line);
}

/* ---- Blocks --------------------------------------------------------------------------------- */

static arena *arena_new(size_t bytes)
{
    arena *a = cedi_memory_get(sizeof *a + bytes / page_bytes * sizeof a->of_page[0]);
    void *memory = a ? cede_os_pages_reserve(bytes) : NULL;
    if (!memory) {
        cedi_memory_free(a);
        return NULL;
    }
    a->from = a->used = (uintptr_t)memory;
    a->to = a->from + bytes;
    a->next = atomic_load_explicit(&arenas, memory_order_relaxed);
    atomic_store_explicit(&arenas, a, memory_order_release);
    return a;
}

/* A large block has an arena to itself. */
static arena *arena_for(size_t bytes)
{
    if (bytes > ARENA_BYTES / 4)
        return arena_new(bytes);
    if (!carved || carved->to - carved->used < bytes) {
        arena *a = arena_new(ARENA_BYTES);
        if (!a)
            return NULL;
        carved = a; /* what was left of the last is smaller than a quarter of it */
    }
    return carved;
}

static cedi_block *block_new(uint32_t pages)
{
    size_t bytes = (pages + (size_t)1) * page_bytes;
    arena *a = arena_for(bytes);
    cedi_block *block;
    if (!a)
        return NULL;
    block = cedi_memory_get(sizeof *block + pages * sizeof block->page[0]);
    if (!block)
        return NULL;
    block->base = a->used;
    block->end = block->base + pages * page_bytes;
    block->pages = pages;
    for (size_t i = 0; i <= pages; i++)
        a->of_page[(block->base - a->from) / page_bytes + i] = block;
    a->used += bytes;
    return block;
}

static unsigned class_of(uint32_t pages)
{
    unsigned class = 0;
    while (UINT32_C(1) << class < pages)
        class ++;
    return class;
}

static void put_back(cedi_block *block)
{
    unsigned class = class_of(block->pages);
    block->next = free_blocks[class];
    free_blocks[class] = block;
}

static cedi_block *block_take(size_t bytes)
{
    uint32_t pages = (uint32_t)((bytes + page_bytes - 1) / page_bytes);
    unsigned class = class_of(pages);
    cedi_block *block = free_blocks[class];
    void *at;
    if (block)
        free_blocks[class] = block->next;
    else
        block = block_new(UINT32_C(1) << class);
    if (!block)
        return NULL;
    block->first = block->pages - pages;
    at = (void *)(block->base + block->first * page_bytes);
    if (!cede_os_pages_commit(at, pages * page_bytes)) {
        put_back(block);
        return NULL;
    }
    for (uint32_t i = 0; i < block->pages; i++)
        block->page[i].access = i < block->first ? CEDE_OS_NO_ACCESS : CEDE_OS_WRITABLE;
    return block;
}

/* The one that waited longest may be used again. */
static void wait_ends(void)
{
    cedi_block *block = waiting[wait_first];
    wait_first = (wait_first + 1) % WAIT_BLOCKS;
    wait_count--;
    wait_bytes -= block->end - block->base;
    put_back(block);
}

static void wait_begins(cedi_block *block)
{
    while (wait_count == WAIT_BLOCKS || (wait_count > 0 && wait_bytes > WAIT_BYTES))
        wait_ends();
    waiting[(wait_first + wait_count++) % WAIT_BLOCKS] = block;
    wait_bytes += block->end - block->base;
}

/* ---- The calls ------------------------------------------------------------------------------ */

/* NULL: there are none to give. */
static void *pages_for(size_t bytes)
{
    size_t room =
        bytes < ALIGNMENT ? ALIGNMENT : (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    cedi_block *block;
    uintptr_t start;
    if (page_bytes == 0) {
        page_bytes = cede_os_page_bytes();
        cede_os_on_fault(on_fault);
    }
    block = live_count < BLOCKS_MOST ? block_take(room) : NULL;
    if (!block)
        return NULL;
    live_count++;
    start = block->base + block->first * page_bytes;
    block->from = block->end - room;
    block->to = block->from + bytes;
    memset((void *)start, CANARY, block->from - start);
    memset((void *)block->to, CANARY, block->end - block->to);
    block->live = true;
    return (void *)block->from;
}

void *cede_checked_alloc(size_t bytes)
{
    void *memory = NULL;
    bytes = bytes ? bytes : 1;
    if (PAGES && bytes <= LARGEST_HERE && bytes / 4096 < (UINT32_C(1) << (CLASSES - 2))) {
        cede_os_lock();
        memory = pages_for(bytes);
        cede_os_unlock();
    }
    return memory ? memory : cedi_memory_get(bytes);
}

static void give_back(cedi_block *block)
{
    uintptr_t start = block->base + block->first * page_bytes;
    if (!cedi_block_is_sound(block))
        cedi_misuse("law 5: beside checked memory that is freed was written", NULL, NULL);
    cede_os_pages_decommit((void *)start, block->end - start);
    block->live = false;
    live_count--;
    wait_begins(block);
}

void cede_checked_free(void *memory)
{
    uintptr_t address = (uintptr_t)memory;
    cedi_block *block;
    const cedi_slot *slot = NULL;
    bool whole, lent = false;
    if (!memory)
        return;
    cede_os_lock();
    block = cedi_block_of(address);
    whole = block && block->live && block->from == address;
    if (whole && block->parts) {
        slot = cedi_slot_at(block->parts->slot);
        lent = block->parts->lent;
    }
    if (whole && !slot)
        give_back(block);
    cede_os_unlock();
    if (slot)
        cedi_misuse(lent ? "law 5: freed while it is lent" : "law 5: freed while it is ceded", slot,
                    NULL);
    if (block && !whole)
        cedi_misuse("law 5: freed is what is no allocation, or not any more", NULL, NULL);
    if (!block)
        cedi_memory_free(memory);
}

#else

void *cede_checked_alloc(size_t bytes)
{
    return cedi_memory_get(bytes ? bytes : 1);
}

void cede_checked_free(void *memory)
{
    cedi_memory_free(memory);
}

#endif
