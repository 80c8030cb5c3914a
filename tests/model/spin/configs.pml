/*
 * The configurations of request.pml and order.pml: small ones, each about a few laws. The test runs each of them,
 * and each mutant on one that finds it: run.sh. CONFIG in the environment is one of the numbers.
 */

#define ALONE    1 /* a work that must be ended: deadline, wish, close; then its slot once more */
#define WOKEN    2 /* the flag, the wake, and a close meanwhile */
#define STREAM   3 /* two in order on a handle, and its close */
#define MEMBERS  4 /* a scope that owns the handle, and a member that may come too late */
#define REMOTE   5 /* submitted and cancelled by other threads */
#define WAIT     6 /* for the second of a stream, while another is left lying */
#define WAIT_END 7 /* for a scope with two members and a handle */
/* In these nobody closes the loop, and it is liveness that spin looks at. */
#define HEARD    8 /* a wish that the kernel does not hear at first */
#define SENT     9 /* the same of what another thread submits */
#define REUSED  10 /* wishes for a slot and for the next submission in it */
#define PARKED  11 /* two in order, for which there is no room at first */

#define TAKEN   12 /* from another thread, behind one on a stream that is being closed */
/* In order.pml. */
#define SENDS    13 /* sends of both kinds, wishes, work that is begun anew, waits */
#define WITHHELD 14 /* memory comes back when the next has started: who waits for it gets stuck */

byte config;

inline configure()
{
    if
    :: config == ALONE ->
        kind[0] = OTHER;
        endless[0] = true;
        has_deadline[0] = true;
        resubmits = 1;
        canceller_of[0] = 0
    :: config == WOKEN ->
        kind[0] = PEND;
        resubmits = 1;
        wakes_slowly = true;
        canceller_of[0] = 0;
        canceller_of[1] = 0
    :: config == STREAM ->
        kind[0] = IO;
        kind[1] = IO;
        kind[2] = CLOSE;
        handle = OPEN;
        first = 2;
        endless[0] = true;
        cancels = 1;
        target = 1;
        canceller_of[0] = 0
    :: config == MEMBERS ->
        kind[0] = SCOPE;
        kind[1] = OTHER;
        kind[2] = PEND;
        scope[1] = 0;
        scope[2] = 0;
        handle = OPEN;
        owner = 0;
        first = 2;
        cancels = 1;
        canceller_of[0] = 1;
        redo = 0
    :: config == REMOTE ->
        kind[0] = IO;
        from_thread[0] = true;
        handle = OPEN;
        endless[0] = true;
        canceller_of[0] = 0
    :: config == WAIT ->
        kind[0] = IO;
        kind[1] = IO;
        kind[2] = PEND;
        handle = OPEN;
        waits_for = 1;
        cancels = 1;
        canceller_of[0] = 2;
        redo = 0
    :: config == WAIT_END ->
        kind[0] = SCOPE;
        kind[1] = IO;
        kind[2] = IO;
        scope[1] = 0;
        scope[2] = 0;
        handle = OPEN;
        owner = 0;
        waits_for = 0;
        cancels = 1;
        redo = 0
    :: config == HEARD ->
        kind[0] = OTHER;
        endless[0] = true;
        bad = 2;
        redo = 0;
        closes = false;
        canceller_of[0] = 0
    :: config == SENT ->
        kind[0] = OTHER;
        from_thread[0] = true;
        endless[0] = true;
        redo = 0;
        closes = false;
        canceller_of[0] = 0
    :: config == REUSED ->
        kind[0] = PEND;
        resubmits = 1;
        cancels = 1;
        closes = false;
        by_wish = true;
        canceller_of[0] = 0;
        canceller_of[1] = 0
    :: config == PARKED ->
        kind[0] = IO;
        kind[1] = IO;
        handle = OPEN;
        first = 2;
        redo = 2;
        closes = false
    :: config == TAKEN ->
        kind[0] = IO;
        kind[1] = IO;
        kind[2] = CLOSE;
        from_thread[0] = true;
        handle = OPEN;
        first = 2;
        redo = 0
    fi
}
