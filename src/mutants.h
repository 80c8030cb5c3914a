/*
 * Deliberate faults of the core and of backends, for testing the tests: one is compiled in by
 * -DCEDE_MUTANT=CEDI_<NAME>, none by default, and then nothing of this is left in the code.
 * tests/mutants/ compiles all of them in, to choose one when a program begins
 * (-DCEDE_MUTANT="cedi_mutant()"), and shows of each that a named conformance case kills it.
 *
 * CEDI_FAULT(NAME) is an expression, a constant but there, so that the faults are always compiled
 * and never rot.
 */
#ifndef CEDE_MUTANTS_H
#define CEDE_MUTANTS_H

enum {
    CEDI_NO_FAULT,
    CEDI_DONE_TWICE,            /* a cancelled request is delivered, and delivered again */
    CEDI_DONE_ON_CANCEL,        /* sealed when the cancel is sent, not when the work is over */
    CEDI_NOT_FOUND_ENDS_WISH,   /* "not found" or "already" is taken as the last word */
    CEDI_CANCELED_THOUGH_MOVED, /* a cause that was recorded rewrites a success */
    CEDI_INLINE_DONE,           /* what is ready at submit is delivered in the call */
    CEDI_SECOND_RELIES,         /* a wish relies on one that may not be in the inbox yet */
    CEDI_LINK_CARRIES_ALL,      /* a link that was sent for an older request carries its wish */
    CEDI_STALE_CANCEL_HITS,     /* a ticket's generation is not looked at */
    CEDI_SHORT_IS_FULL,         /* a short transfer is told as the whole of it */
    CEDI_NO_ORDER,              /* the second of a stream overtakes the first */
    CEDI_SHORT_LINKS_ON,        /* a short transfer lets the next of its chain start */
    CEDI_SCOPE_ENDS_EARLY,      /* a scope does not count its members */
    CEDI_WAIT_RUNS_ALL,         /* cede_wait delivers whatever is ready */
    CEDI_CLOSE_DOES_NOT_DRAIN,  /* loop close cancels and does not wait */
    CEDI_TIMER_EARLY,           /* an expiry is rounded down to the tick */
    CEDI_LAST_CAUSE_WINS,       /* a later cause replaces the first */
    CEDI_OWNED_CLOSES_EARLY,    /* owned handles are closed when the scope is cancelled */
    CEDI_CHECK_THEN_SLEEP,      /* the inbox is not looked at once the sleep flag is up */
    CEDI_DEADLINE_LEAVES_IO,    /* a deadline is delivered while the kernel still works */
    CEDI_PICKED_IS_LOST,        /* a buffer that was picked as a cancel came is not delivered */
    CEDI_ACCEPTED_IS_LOST,      /* a client that was accepted as a cancel came is not delivered */
    CEDI_WAIT_LEAVES_ITEMS,     /* cede_wait does not run the items of what it awaits */
    CEDI_ITEM_AWAITS_ITSELF,    /* a wait in an item for its own request goes on for ever */
    CEDI_CREDIT_IS_ENDLESS,     /* a receive takes more buffers than its credit */
    CEDI_POOL_FORGETS,          /* who waits for a buffer is not let go on */
    CEDI_WAIT_LETS_ALL_GO,      /* a wait for a receive from a pool lets others have the buffer */
    CEDI_POOL_IS_RUSHED,        /* who comes later passes who waits for a buffer */
    CEDI_EMPTY_POOL_FAILS,      /* an empty pool ends the receive */
    CEDI_NO_DESCRIPTOR_FAILS,   /* the descriptor limit ends the accept */
    CEDI_PARK_SPINS,            /* what found no room is tried again at every turn */
    CEDI_FAILED_KEEPS_BUFFER,   /* io_uring: the buffer of a receive that fails is lost */
    CEDI_HALF_IS_READY,         /* io_uring: a peer that only sends no more is room to send */
    CEDI_MORE_IS_LAST,          /* io_uring: a completion that says "more" ends the work */
    CEDI_CANCEL_LOST_WHEN_FULL, /* a cancel that found no room is forgotten */
    CEDI_CLOSE_DOES_NOT_CANCEL, /* close waits for what is pending and does not end it */
    CEDI_REFUSED_IS_LOST,       /* a follower of a failed link is never delivered */
    CEDI_STALE_HANDLE_BINDS,    /* a handle's generation is not looked at */
    CEDI_CLOSE_COMES_FIRST,     /* the system's close does not wait for what is pending */
    CEDI_CLOSE_IS_CANCELLED,    /* a cause moves a close */
    CEDI_OPENED_THEN_LOST,      /* a file that was opened when a cancel came is not delivered */
    CEDI_WISH_IS_NOT_TOLD,      /* a success does not say that a cancel had been asked for */
    CEDI_PART_IS_WHOLE,         /* a whole transfer is over after its first part */
    CEDI_WAITS_FOR_ITSELF,      /* the callbacks on the stack are not looked at before a wait */
    CEDI_WAIT_SKIPS_ORDER,      /* a wait does not see what the order on a stream puts before */
    CEDI_WAIT_GOES_ON,          /* nor if it was passed over, and a callback then led to it */
    CEDI_ENDED_SCOPE_ADMITS,    /* what joins an ending scope is let in */
    CEDI_LAST_REASON_WINS,      /* a later reason replaces a scope's first */
    CEDI_EXTEND_DOES_NOTHING,   /* extend is ignored */
    CEDI_DEADLINE_NOT_HELD,     /* a deadline does not count while its request is held */
    CEDI_TURN_HAS_NO_END,       /* a turn delivers for as long as callbacks make others ready */
    CEDI_LAST_SENT_FIRST,       /* the inbox is taken from its head */
    CEDI_STOP_IS_FORGOTTEN,     /* a stop is for a run that is under way, only */
    CEDI_BACKGROUND_HOLDS,      /* background requests count as others */
    CEDI_ATTRIBUTES_STAY,       /* prep leaves the attributes of the time before */
    CEDI_SUBMIT_KEEPS_ALL,      /* a submit does not consume the preparation */
    CEDI_IN_FLIGHT_AGAIN,       /* submitting what is in flight is not noticed */
    CEDI_GONE_IS_NOT_HEARD,     /* what is sent behind a send without a copy waits for its end */
    CEDI_TOLD_OUT_OF_TURN,      /* and if it did not, is told before it */
    CEDI_LEFT_OFF_IS_OVER,      /* a many-shot that the kernel left off is over */
    /* of look-ups, wherever */
    CEDI_LOOKUP_IS_AWAITED,   /* a cancel is not heard until the answer has come */
    CEDI_LEFT_ANSWER_IS_TOLD, /* the late answer of one that was left is delivered all the same */
    CEDI_LEFT_LOOKUP_LEAKS,   /* nobody frees what was left */
    CEDI_CLOSE_AWAITS_STRAYS, /* the close of a loop waits for what was left */
    /* of src/linux */
    CEDI_PIECES_REPEAT,          /* a file is sent from its first piece again and again */
    CEDI_END_HAS_NO_CODE,        /* a child's end is told without what it ended with */
    CEDI_LOSS_IS_SILENT,         /* a watch does not tell that changes were lost */
    CEDI_ZERO_COPY_TOLD_EARLY,   /* a send without a copy is over before its notification */
    CEDI_NOTIFICATION_FORGOTTEN, /* and this one is never told */
    CEDI_FAILED_IS_NOT_NOTIFIED, /* a failed one is thought to have none */
    /* of src/win32 */
    CEDI_CANCEL_TELLS_TOO,    /* a cancel that was taken up is a report, and the packet another */
    CEDI_CANCEL_IS_THE_END,   /* ... is the report, and the record used while the system has it */
    CEDI_NOT_FOUND_IS_NEVER,  /* a cancel that found nothing is taken for one that never will */
    CEDI_NO_ROOM_ENDS_WISH,   /* a cancel that the system had no room for is not repeated */
    CEDI_ABORT_MOVES_NOTHING, /* aborted half way: what moved is not told */
    CEDI_PENDING_IS_OVER,     /* a transfer that pends is reported by the call that began it */
    CEDI_SKIPS_UNASKED,       /* a success is reported at once, though a packet tells it, too */
    CEDI_SKIPPED_IS_AWAITED,  /* a success waits for a packet that it was told not to send */
    CEDI_FAILURE_IS_DROPPED,  /* a packet that tells of a failure is not looked at */
    CEDI_STRAY_IS_BELIEVED,   /* a packet that nobody waits for is taken for a report */
    CEDI_APC_DELIVERS,        /* a routine runs the callback, wherever it runs itself */
    CEDI_ISSUED_ELSEWHERE,    /* the APC lane begins transfers on a thread that exits */
    CEDI_APCS_ARE_HIDDEN,     /* routines that a ready packet hides are not run */
    CEDI_FOREIGN_PORT_HEARS,  /* the event lane's transfers send packets to a port */
    CEDI_SHORT_WRITE_IS_FULL, /* a short write is told as the whole of it */
    CEDI_END_IS_AN_ERROR,     /* the end of a file or pipe is told as an error */
    CEDI_WARNING_IS_AN_ERROR, /* a message longer than its buffer is told as an error */
    CEDI_POSITION_IS_SHARED,  /* two transfers use a file's position at a time */
    CEDI_WISH_IS_FORGOTTEN,   /* a cancel before a thread's call begins does not keep it back */
    CEDI_CALL_IS_NEVER_OVER,  /* a cancel stops what a thread does after its call */
    CEDI_WAKE_IS_THE_LAST,    /* a wake that has come still counts as one on its way */
    CEDI_WAKE_NEEDS_ROOM,     /* a wake that cannot be posted is lost */
    CEDI_STRANDED_IS_LOST,    /* so is, in a foreign loop, one that the sentinel cannot tell */
    CEDI_UNKNOWN_IS_OK,       /* an error without a row in the table is a success */
    CEDI_LAST_EVENT_RETURNS,  /* the handler of an event that ends the process does not wait */
    CEDI_UNWATCHED_IS_TOLD    /* a cancel of a wait for an object does not heed that it has ended */
};

#ifndef CEDE_MUTANT
#define CEDE_MUTANT CEDI_NO_FAULT
#endif

#define CEDI_FAULT(name) (CEDE_MUTANT == CEDI_##name)

int cedi_mutant(void); /* tests/mutants/broken.c has it, and the library has not */

#endif
