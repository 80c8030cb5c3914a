/*
 * Help for tools that check programs (law 5). Costs nothing in a plain build.
 *
 * In a checked build (the CMake option CEDE_CHECKED, on by itself under AddressSanitizer) the
 * request and its outputs are poisoned for AddressSanitizer and marked for valgrind from submit to
 * done, and lent inputs are held by a checksum: a touch of what is ceded traps at its line. Where
 * there is no such tool (on Windows with mingw-w64 there is none), memory from cede_checked_alloc
 * traps by itself.
 */
#ifndef CEDE_CHECK_H
#define CEDE_CHECK_H

#include "cede/loop.h"
#include "cede/relay.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * CEDE_GONE(object) after cede_submit tells clang's static analyzer "I keep nothing of this": it
 * then reports a use, a free or a second ceding of it later in the function, or in a caller that
 * it sees through. `object` is a pointer to the whole allocation that holds the request (or the
 * request, if it was allocated alone); the request may lie anywhere in it. It speaks of memory from
 * malloc, also when that came as a parameter; on static and stack objects it says nothing, and in
 * C++, where memory comes from new, it is nothing. Evaluates its argument in the analyzer only, and
 * there any number of times.
 *
 * How: one of the two functions below, which only the analyzer sees, frees what it is given. Static
 * and stack memory must not come there, or it were a false alarm. The analyzer takes the truth of
 * such an address for the number 1, and of any other for a value that it keeps as a formula; so it
 * knows that twice the first is not 0, and cannot rule it out of the second.
 *
 * A submit counts as a use there: the analyzer would see none in passing on the address of a part.
 */
#if defined(__clang_analyzer__) && !defined(__cplusplus)
void cede_gone_(void *) __attribute__((ownership_takes(malloc, 1)));
void cede_not_gone_(void *);
#define CEDE_GONE(object) \
    ((bool)(object)*2 == 0 ? cede_gone_((void *)(object)) : cede_not_gone_((void *)(object)))

#define CEDE_USED(req) ((void)((const cede_req *)(req))->op_, (req))
#undef cede_submit
#define cede_submit(loop, req, done) cede_submit_at(loop, CEDE_USED(req), done, CEDE_HERE)
#undef cede_submit_remote
#define cede_submit_remote(loop, req, done, before) \
    cede_submit_remote_at(loop, CEDE_USED(req), done, before, CEDE_HERE)
#undef cede_submit_relay
#define cede_submit_relay(loop, relay, done) \
    cede_submit_relay_at(loop, ((void)(relay)->req.op_, (relay)), done, CEDE_HERE)
#else
#define CEDE_GONE(object) ((void)0)
#endif

/* Whether the library was built checked. Any thread. */
CEDE_API bool cede_is_checked(void);

/*
 * Memory for requests, and for what is ceded or lent with them. In a plain build it is the
 * library's allocator, and under AddressSanitizer too, which sees more than pages can; in every
 * other checked build the memory has pages of its own:
 *
 * - From submit to done, a page is inaccessible if all that the allocation has of it is ceded by
 *   one request (the request itself, if it was allocated alone; what a buffer fills), and read-only
 *   if all of it is ceded or lent by one. A touch, or a change of what is lent, traps at its line.
 * - What shares a page with anything else cannot trap: a sum over it is compared before done, and
 *   a change is told then. So give buffers and requests allocations of their own where you can.
 * - An allocation ends at an inaccessible page, but for what aligns it to 16 bytes; what its first
 *   and last page have besides it holds a canary, which is looked at when it is ceded, before done
 *   and in the free. Ceding or lending more than the allocation has stops at the submit.
 * - Freed memory stays inaccessible for the next thousand frees or so, then its pages are used
 *   again: a program may run for ever. A free of what is ceded or lent, a second free, and one
 *   from the middle stop in the free.
 *
 * A trap says one line that names the law, the operation and where it was submitted; then the
 * process dies at the access as it would have without, so that a debugger or a dump shows the line.
 * (A handler of SIGSEGV and SIGBUS on POSIX, which calls the one that was there when the first
 * allocation was made; on Windows a vectored handler, which only looks.) What stops says the line
 * too.
 *
 * Not caught: a read of what shares its page; a touch that the kernel makes for you (a system call
 * with ceded memory fails, with EFAULT or ERROR_NOACCESS, and says nothing); a write before the
 * submit or after done; the argument of cede_prep_work; requests that found no slot (law 15).
 *
 * The backend, and so the kernel, never sees such memory where it is to write: it is given copies,
 * which are copied back before done. So what the kernel wrote is seen at done and not before, and
 * a case that looks for the kernel's late writes should use other memory.
 *
 * Costs, in a checked build: at least two pages of address space and one of memory for each
 * allocation; two changes of access for each run of pages that is ceded (4 to 9 us together on
 * Windows), a copy of each output to and fro, and sums over all of it. On Linux, where it is built
 * without AddressSanitizer, that was some 100 us for each submit and for each delivery, on a busy
 * machine; what guards the memory is under one lock for the process. A process has not more than
 * 8192 allocations with pages at a time, because systems limit the number of mappings; what comes
 * beyond is plain memory, held by checksums.
 *
 * Zeroed; aligned to 16 where it has pages, else as the allocator does. 0 bytes give memory too.
 * NULL: out of memory. Any thread.
 */
CEDE_API void *cede_checked_alloc(size_t bytes);

/* Gives it back. NULL: nothing. Any thread. */
CEDE_API void cede_checked_free(void *);

#ifdef __cplusplus
}
#endif
#endif
