/*
 * The system's numbers to statuses: the tables for everything here that hears them.
 * Stateless; any thread.
 */
#ifndef CEDE_WIN32_ERROR_H
#define CEDE_WIN32_ERROR_H

#include "cede/backend.h"

/* The status of a Win32 error. 0: CEDE_OK. A number without a portable name: CEDE_EUNKNOWN. */
cede_status cedi_error_status(uint32_t error);

/* What Winsock calls an NTSTATUS that a transfer of a socket ended with. 0: as everybody does. */
uint32_t cedi_error_of_socket(uint32_t status);

/* Whether an error says that the system has no room just now for what was asked of it: worth asking
 * again when something else has completed. */
bool cedi_error_is_shortage(uint32_t error);

#endif
