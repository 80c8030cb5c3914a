/*
 * Help for tools that check programs (law 5). Costs nothing in a plain build.
 *
 * In a checked build (the CMake option CEDE_CHECKED, on by itself under AddressSanitizer) the
 * request and its outputs are poisoned for AddressSanitizer and marked for valgrind from submit to
 * done, and lent inputs are held by a checksum: a touch of what is ceded traps at its line.
 */
#ifndef CEDE_CHECK_H
#define CEDE_CHECK_H

#include "cede/loop.h"

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
#else
#define CEDE_GONE(object) ((void)0)
#endif

/* Whether the library was built checked. Any thread. */
CEDE_API bool cede_is_checked(void);

CEDE_API void *cede_checked_alloc(size_t bytes);
CEDE_API void cede_checked_free(void *);

#ifdef __cplusplus
}
#endif
#endif
