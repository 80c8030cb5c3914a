/*
 * errno to status: one table for every backend that hears the system's numbers.
 * Stateless; any thread.
 */
#ifndef CEDE_POSIX_ERROR_H
#define CEDE_POSIX_ERROR_H

#include "cede/backend.h"

/* The status of an errno, positive or negated. 0: CEDE_OK. What an operation that was interrupted
 * says (EINTR, and the kernel's own restart codes 512 to 516, which io_uring lets through:
 * measured on a cancelled splice and a cancelled open of a named pipe) is CEDE_REPORT_AGAIN: for
 * reports only. A number without a portable name: CEDE_EUNKNOWN. */
cede_status cedi_error_status(int error);

/* The same for calls that report nothing: an interruption is CEDE_EAGAIN there. */
cede_status cedi_error_final(int error);

#endif
