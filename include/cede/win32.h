/*
 * What only the Windows backend knows: lanes, sizes, capability masks and the seam for injection,
 * through cede_options.backend_config. Nobody needs it to use cede; tests and people who tune do.
 *
 * The backend has two lanes. The port lane reports by a completion port, the APC lane by completion
 * routines that run in the loop's alertable waits; they only report, callbacks are never called
 * from one. A handle keeps to one lane, chosen when the loop first uses it: the loop's own, or the
 * APC lane if it was imported with CEDE_IMPORT_APC. One loop may host both. What leads into
 * somebody else's port, from its beginning or later, reports by events: these, and connects, waits
 * for objects and children, are told by one thread of the loop's own.
 */
#ifndef CEDE_WIN32_H
#define CEDE_WIN32_H

#include "cede/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cede_win32_config.lane: of handles that were not imported with a flag. */
#define CEDE_WIN32_LANE_OWN  0u /* the backend's: "win32-iocp" the port, "win32-apc" APCs */
#define CEDE_WIN32_LANE_PORT 1u
#define CEDE_WIN32_LANE_APC  2u

/* As if Windows were older: features that are then not used, each by its fallback. */
#define CEDE_WIN32_NO_SKIP_ON_SUCCESS 0x01u /* what succeeds at once sends a packet, too */
#define CEDE_WIN32_NO_REPLACE         0x02u /* a port cannot be left: release says ENOTSUP */
#define CEDE_WIN32_NO_POSIX_DELETE    0x04u /* a name goes when the last handle is closed */
#define CEDE_WIN32_NO_POSIX_RENAME    0x08u
#define CEDE_WIN32_NO_FINE_TIMER      0x10u /* waits end on milliseconds, rounded up */
#define CEDE_WIN32_NO_REOPEN          0x20u /* no second handle with the rights that one lacks */
#define CEDE_WIN32_NO_LOOKUP          0x40u /* hosts are looked up on threads that block */
#define CEDE_WIN32_NO_ANY             0x7fu

/* A process that is to be begun: with these three handles, which can be inherited, and no other. */
typedef struct cede_win32_process {
    const wchar_t *program;
    wchar_t *line;
    wchar_t *environment; /* a block; NULL: this process's */
    const wchar_t *directory;
    void *stdio[3];
    bool new_group;
    /* out */
    void *process;
    uint32_t id;
} cede_win32_process;

/*
 * The system calls whose odd results matter. Each returns 0 for success, else the Win32 error (997,
 * ERROR_IO_PENDING, among them). HANDLEs are void *, `overlapped` is a LPOVERLAPPED, `routine` a
 * LPOVERLAPPED_COMPLETION_ROUTINE, `entries` an array of OVERLAPPED_ENTRY, `attributes` NULL.
 */
typedef struct cede_win32_calls {
    uint32_t (*read_file)(void *file, void *buffer, uint32_t bytes, void *overlapped);
    uint32_t (*write_file)(void *file, const void *buffer, uint32_t bytes, void *overlapped);
    uint32_t (*read_file_ex)(void *file, void *buffer, uint32_t bytes, void *overlapped,
                             void (*routine)(void));
    uint32_t (*write_file_ex)(void *file, const void *buffer, uint32_t bytes, void *overlapped,
                              void (*routine)(void));
    uint32_t (*cancel_io_ex)(void *file, void *overlapped);
    uint32_t (*cancel_synchronous_io)(void *thread);
    uint32_t (*get_completions)(void *port, void *entries, uint32_t most, uint32_t *count,
                                uint32_t timeout_ms, int alertable);
    uint32_t (*post_completion)(void *port, uint32_t bytes, uintptr_t key, void *overlapped);
    uint32_t (*create_port)(void *file, void *port, uintptr_t key, void **out);
    uint32_t (*set_notification_modes)(void *file, uint8_t modes);
    uint32_t (*create_file)(const wchar_t *path, uint32_t access, uint32_t share,
                            uint32_t disposition, uint32_t flags, void **out);
    uint32_t (*close_handle)(void *handle);
    /* GetFileAttributesW; GetFileInformationByHandleEx and SetFileInformationByHandle, `what` a
     * FILE_INFO_BY_HANDLE_CLASS; GetFileInformationByHandle, a BY_HANDLE_FILE_INFORMATION. */
    uint32_t (*get_path_attributes)(const wchar_t *path, uint32_t *attributes);
    uint32_t (*get_file_info)(void *file, int what, void *out, uint32_t bytes);
    uint32_t (*set_file_info)(void *file, int what, void *in, uint32_t bytes);
    uint32_t (*describe_file)(void *file, void *out);
    /* FSCTL_GET_REPARSE_POINT, of a handle that was opened to the point itself. */
    uint32_t (*get_reparse_point)(void *file, void *out, uint32_t bytes, uint32_t *got);
    uint32_t (*move_file)(const wchar_t *from, const wchar_t *to, uint32_t flags);
    /* Sockets are SOCKETs, `buffers` an array of WSABUF, `name` a sockaddr. A `routine` of NULL: by
     * packet or event. `flags` is written until the transfer is over. */
    uint32_t (*make_socket)(int family, int type, uintptr_t *out);
    uint32_t (*close_socket)(uintptr_t socket);
    uint32_t (*set_socket_option)(uintptr_t socket, int level, int option, const void *value,
                                  int bytes);
    uint32_t (*wsa_recv)(uintptr_t socket, void *buffers, uint32_t count, void *flags,
                         void *overlapped, void (*routine)(void));
    uint32_t (*wsa_send)(uintptr_t socket, void *buffers, uint32_t count, void *overlapped,
                         void (*routine)(void));
    uint32_t (*wsa_recv_from)(uintptr_t socket, void *buffer, void *flags, void *name,
                              int *name_bytes, void *overlapped, void (*routine)(void));
    uint32_t (*wsa_send_to)(uintptr_t socket, void *buffer, const void *name, int name_bytes,
                            void *overlapped, void (*routine)(void));
    uint32_t (*accept_ex)(uintptr_t listener, uintptr_t socket, void *names, uint32_t name_bytes,
                          void *overlapped);
    uint32_t (*connect_ex)(uintptr_t socket, const void *name, int name_bytes, void *overlapped);
    uint32_t (*create_pipe)(const wchar_t *name, uint32_t open_mode, uint32_t instances,
                            void **out);
    uint32_t (*connect_pipe)(void *pipe, void *overlapped);
    uint32_t (*transmit_file)(uintptr_t socket, void *file, uint32_t bytes, void *overlapped);
    /* GetAddrInfoExW: a list of ADDRINFOEXW, a LPLOOKUPSERVICE_COMPLETION_ROUTINE, and a HANDLE for
     * the next; GetAddrInfoW: a list of ADDRINFOW. For streams, of a family or of any. */
    uint32_t (*look_up)(const wchar_t *host, int family, void **found, void *overlapped,
                        void (*routine)(void), void **name);
    uint32_t (*look_up_cancel)(void **name);
    uint32_t (*get_addresses)(const wchar_t *host, int family, void **found);
    uint32_t (*create_process)(cede_win32_process *);
    uint32_t (*add_console_handler)(void (*handler)(void)); /* a PHANDLER_ROUTINE */
    uint32_t (*remove_console_handler)(void (*handler)(void));
    /* Of a directory, not deeper. ERROR_IO_PENDING for success: it may be either. */
    uint32_t (*read_changes)(void *directory, void *buffer, uint32_t bytes, void *overlapped);
    /* UTF-16. What ctrl-C has ended: ERROR_OPERATION_ABORTED. On a thread of the process's. */
    uint32_t (*read_console)(void *input, wchar_t *units, uint32_t most, uint32_t *count);
    uint32_t (*write_console)(void *output, const wchar_t *units, uint32_t count,
                              uint32_t *written);
} cede_win32_calls;

/* The system's own, for hooks that pass on to them. */
CEDE_API const cede_win32_calls *cede_win32_system_calls(void);

/* Zeros are defaults. */
typedef struct cede_win32_config {
    uint32_t lane;    /* CEDE_WIN32_LANE_... */
    uint32_t without; /* CEDE_WIN32_NO_... */
    uint32_t packets; /* taken from the port at once, from 1; 0: as many as fit */
    /* For tests: called before each fallible call, with the system's name for it ("ReadFile",
     * "CreateIoCompletionPort", ..., "thread"); a returned Win32 error is taken as that call's
     * failure, 0 lets it happen. On the loop's thread and on threads of its pool. */
    int (*fault)(void *context, const char *call);
    void *fault_context;
    /* For tests: calls to be made instead of the system's; NULL members are the system's own. Kept
     * by copy. */
    const cede_win32_calls *calls;
} cede_win32_config;

#ifdef __cplusplus
}
#endif
#endif
