/*
 * Deliberate faults of the model, as src/mutants.h has them for the code: MUTANT in the environment
 * is one of the numbers. mutants.def says which configuration finds it.
 */
#define DONE_ON_CANCEL         1 /* sealed by the cancel that was sent, not by the report */
#define NOT_FOUND_ENDS_WISH    2 /* "not found" is taken as the last word */
#define DOUBLE_REPORT          3 /* the kernel's side reports a work twice */
#define RESULT_IS_REWRITTEN    4 /* a cancel changes what is sealed */
#define SCOPE_ENDS_EARLY       5 /* a scope does not wait for its members */
#define CLOSE_COMES_FIRST      6 /* the handle is closed while something is pending on it */
#define CHECK_THEN_SLEEP       7 /* the inbox is looked at before the sleep flag is up */
#define GENERATION_STAYS       8 /* a delivery does not make the ticket stale */
#define DEADLINE_LEAVES_IO     9 /* a deadline is told while the kernel still works */
#define CLOSE_DOES_NOT_DRAIN  10 /* loop close does not wait for the kernel */
#define CANCEL_LOST_WHEN_FULL 11 /* a cancel that found no room is forgotten */
#define LINK_CLEARED_LAST     12 /* the wish's link is freed after the look at the word */
#define EARLY_WISH_IS_LOST    13 /* a wish that overtakes its submission is not kept */
#define WAIT_GOES_BY_SEAL     14 /* wait returns when the target is sealed */
#define ORDER_IS_LOST         15 /* the second of a stream does not wait for the first */
#define CLOSE_SLEEPS          16 /* loop close sleeps over a wish that came when nothing was left */
#define CAUSE_BEATS_FACT      17 /* a success is told as the cause that was recorded */
#define PARKED_IS_FORGOTTEN   18 /* what found no room is never begun again */
#define REUSED_TOO_EARLY      19 /* a slot is free again once its cancel is sent */
#define WAKERS_NOT_AWAITED    20 /* loop close frees the backend under a thread that wakes it */
/* of order.pml */
#define TOLD_OUT_OF_TURN      21 /* what is sealed is told though one before it has only gone */
#define GONE_IS_NOT_HEARD     22 /* the next waits until the memory of what has gone is back */
#define STARTS_TOO_EARLY      23 /* the next starts before the one before it has gone */
#define GONE_SEALS            24 /* what has gone is sealed, and sealed again by its report */
#define TOLD_TWICE            25 /* what kept is told, and told again when the next is sealed */
#define KEPT_IS_FORGOTTEN     26 /* what kept for one that had only gone is never told */
#define MARK_GOES_EARLY       27 /* the handle's mark goes with the first, though another is gone */

byte mutant; /* from the environment, as the configuration is: one program serves all */
#define FAULT(name) (mutant == name)
