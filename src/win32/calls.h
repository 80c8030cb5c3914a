/*
 * The seam for injection: the calls through the table of the configuration, each after the test's
 * hook was asked. Inlined: one indirect call beside a system call is nothing. Any thread.
 */
#ifndef CEDE_WIN32_CALLS_H
#define CEDE_WIN32_CALLS_H

#include "win.h"

/* Members that the configuration leaves out are the system's. */
void cedi_win_calls_fill(cede_win32_calls *, const cede_win32_calls *given);

/* 0, or the error that the test's hook wants for this call. */
static inline uint32_t cedi_win_fault(const win *self, const char *call)
{
    if (!self->config.fault)
        return 0;
    return (uint32_t)self->config.fault(self->config.fault_context, call);
}

static inline uint32_t cedi_win_read(const win *self, HANDLE file, void *buffer, uint32_t bytes,
                                     OVERLAPPED *overlapped)
{
    uint32_t error = cedi_win_fault(self, "ReadFile");
    return error ? error : self->calls.read_file(file, buffer, bytes, overlapped);
}

static inline uint32_t cedi_win_write(const win *self, HANDLE file, const void *buffer,
                                      uint32_t bytes, OVERLAPPED *overlapped)
{
    uint32_t error = cedi_win_fault(self, "WriteFile");
    return error ? error : self->calls.write_file(file, buffer, bytes, overlapped);
}

static inline uint32_t cedi_win_cancel_io(const win *self, HANDLE file, OVERLAPPED *overlapped)
{
    uint32_t error = cedi_win_fault(self, "CancelIoEx");
    return error ? error : self->calls.cancel_io_ex(file, overlapped);
}

static inline uint32_t cedi_win_post(const win *self, uintptr_t key, OVERLAPPED *overlapped)
{
    uint32_t error = cedi_win_fault(self, "PostQueuedCompletionStatus");
    return error ? error : self->calls.post_completion(self->port, 0, key, overlapped);
}

static inline uint32_t cedi_win_bind_port(const win *self, HANDLE file, HANDLE port, uintptr_t key,
                                          void **out)
{
    uint32_t error = cedi_win_fault(self, "CreateIoCompletionPort");
    return error ? error : self->calls.create_port(file, port, key, out);
}

/* What a call that names a file says of one whose deletion is pending: "access denied", from which
 * only the status tells it (DeleteFile's page; llvm, pull request 90655). Right behind the call. */
uint32_t cedi_win_pending_deletion(uint32_t error);

static inline uint32_t cedi_win_create_file(const win *self, const wchar_t *path, uint32_t access,
                                            uint32_t disposition, uint32_t flags, HANDLE *out)
{
    uint32_t error = cedi_win_fault(self, "CreateFileW");
    *out = INVALID_HANDLE_VALUE;
    if (error)
        return error;
    return cedi_win_pending_deletion(
        self->calls.create_file(path, access, WIN_SHARE_ALL, disposition, flags, out));
}

/* A link is what the system follows by its name, itself: not whatever else is a reparse point, like
 * a file that a server or a cloud has the data of. */
static inline bool cedi_win_is_link(uint32_t attributes, uint32_t tag)
{
    return (attributes & FILE_ATTRIBUTE_REPARSE_POINT) &&
           (tag == IO_REPARSE_TAG_SYMLINK || tag == IO_REPARSE_TAG_MOUNT_POINT);
}

/* Of a handle that was opened with FILE_FLAG_OPEN_REPARSE_POINT. False: it cannot be asked. */
static inline bool cedi_win_attributes(const win *self, HANDLE file, uint32_t *attributes,
                                       uint32_t *tag)
{
    FILE_ATTRIBUTE_TAG_INFO info;
    if (self->calls.get_file_info(file, FileAttributeTagInfo, &info, sizeof info))
        return false;
    *attributes = info.FileAttributes;
    *tag = info.ReparseTag;
    return true;
}

/* What is opened like a file and has none of its facts: volumes, disks. What says so differs. */
static inline bool cedi_win_has_no_facts(uint32_t error)
{
    return error == ERROR_INVALID_FUNCTION || error == ERROR_INVALID_PARAMETER ||
           error == ERROR_NOT_SUPPORTED;
}

/* ---- Sockets and local streams --------------------------------------------------------------- */

static inline uint32_t cedi_win_make_socket(const win *self, int family, int type, SOCKET *out)
{
    uint32_t error = cedi_win_fault(self, "WSASocketW");
    uintptr_t made = INVALID_SOCKET;
    if (error == 0)
        error = self->calls.make_socket(family, type, &made);
    *out = (SOCKET)made;
    return error;
}

static inline uint32_t cedi_win_set_option(const win *self, SOCKET socket, int level, int option,
                                           const void *value, int bytes)
{
    uint32_t error = cedi_win_fault(self, "setsockopt");
    return error ? error : self->calls.set_socket_option(socket, level, option, value, bytes);
}

static inline uint32_t cedi_win_recv(const win *self, SOCKET socket, WSABUF *buffers,
                                     uint32_t count, DWORD *flags, OVERLAPPED *overlapped,
                                     void (*routine)(void))
{
    uint32_t error = cedi_win_fault(self, "WSARecv");
    return error ? error : self->calls.wsa_recv(socket, buffers, count, flags, overlapped, routine);
}

static inline uint32_t cedi_win_send(const win *self, SOCKET socket, WSABUF *buffers,
                                     uint32_t count, OVERLAPPED *overlapped, void (*routine)(void))
{
    uint32_t error = cedi_win_fault(self, "WSASend");
    return error ? error : self->calls.wsa_send(socket, buffers, count, overlapped, routine);
}

static inline uint32_t cedi_win_accept_ex(const win *self, SOCKET listener, SOCKET socket,
                                          void *names, uint32_t name_bytes, OVERLAPPED *overlapped)
{
    uint32_t error = cedi_win_fault(self, "AcceptEx");
    return error ? error : self->calls.accept_ex(listener, socket, names, name_bytes, overlapped);
}

static inline uint32_t cedi_win_connect_ex(const win *self, SOCKET socket, const void *name,
                                           int name_bytes, OVERLAPPED *overlapped)
{
    uint32_t error = cedi_win_fault(self, "ConnectEx");
    return error ? error : self->calls.connect_ex(socket, name, name_bytes, overlapped);
}

static inline uint32_t cedi_win_transmit_file(const win *self, SOCKET socket, HANDLE file,
                                              uint32_t bytes, OVERLAPPED *overlapped)
{
    uint32_t error = cedi_win_fault(self, "TransmitFile");
    return error ? error : self->calls.transmit_file(socket, file, bytes, overlapped);
}

/* An instance of a pipe for bytes, that other machines do not reach. */
static inline uint32_t cedi_win_create_pipe(const win *self, const wchar_t *name,
                                            uint32_t open_mode, uint32_t instances, HANDLE *out)
{
    uint32_t error = cedi_win_fault(self, "CreateNamedPipeW");
    *out = INVALID_HANDLE_VALUE;
    return error ? error : self->calls.create_pipe(name, open_mode, instances, out);
}

static inline uint32_t cedi_win_connect_pipe(const win *self, HANDLE pipe, OVERLAPPED *overlapped)
{
    uint32_t error = cedi_win_fault(self, "ConnectNamedPipe");
    return error ? error : self->calls.connect_pipe(pipe, overlapped);
}

/* ---- What ntdll has beside the documented wrappers ------------------------------------------- */

/* Each is documented by Microsoft, but for some classes of information, which are noted; looked for
 * when the program runs. NULL: not there. */
typedef struct cedi_nt_status_block {
    uintptr_t status;
    uintptr_t information;
} cedi_nt_status_block;

typedef struct cedi_nt {
    unsigned long(WINAPI *error_of)(LONG status); /* RtlNtStatusToDosError */
    LONG(WINAPI *last_status)(void);              /* RtlGetLastNtStatus: of this thread */
    LONG(WINAPI *query_file)
    (HANDLE, cedi_nt_status_block *, void *out, unsigned long bytes, int what);
    LONG(WINAPI *set_file)
    (HANDLE, cedi_nt_status_block *, void *in, unsigned long bytes, int what);
    LONG(WINAPI *query_object)
    (HANDLE, int what, void *out, unsigned long bytes, unsigned long *got);
} cedi_nt;

const cedi_nt *cedi_win_nt(void); /* never NULL */

/* What Windows 7 has not, or not like this: some headers know no routine's type. */
typedef void CALLBACK cedi_looked_up(DWORD error, DWORD bytes, LPOVERLAPPED overlapped);
typedef int WSAAPI cedi_look_up(const wchar_t *host, const wchar_t *service, DWORD space, GUID *id,
                                const void *hints, void **found, struct timeval *timeout,
                                OVERLAPPED *, cedi_looked_up *, HANDLE *name);

typedef struct cedi_winsock {
    cedi_look_up *look_up; /* GetAddrInfoExW */
    int(WSAAPI *look_up_cancel)(HANDLE *name);
} cedi_winsock;

const cedi_winsock *cedi_win_winsock(void); /* never NULL */

/* The Win32 error of what an OVERLAPPED holds. */
uint32_t cedi_win_error_of(ULONG_PTR internal);

#define CEDI_NT_ACCESS  8  /* FileAccessInformation: the rights that were granted */
#define CEDI_NT_MODE    16 /* FileModeInformation: whether it was made for overlapped I/O */
#define CEDI_NT_PIPE    24 /* FilePipeLocalInformation */
#define CEDI_NT_NOTIFY  41 /* FileIoCompletionNotificationInformation */
#define CEDI_NT_REPLACE 61 /* FileReplaceCompletionInformation, 8.1 */

#define CEDI_NT_OBJECT_TYPE 2 /* of NtQueryObject: a PUBLIC_OBJECT_TYPE_INFORMATION, and the name */

typedef struct cedi_nt_object_type {
    uint16_t name_bytes, name_room;
    const wchar_t *name; /* into `rest` */
    uint32_t reserved[22];
    wchar_t rest[64];
} cedi_nt_object_type;

/* What the headers of programs lack ([MS-FSCC], 2.3.45): how many bytes a pipe has for its reader,
 * and how many messages, if it was made for those. */
#define CEDI_NT_PEEK 0x0011400cu /* FSCTL_PIPE_PEEK */

typedef struct cedi_nt_peek {
    uint32_t state, bytes, messages, first_bytes;
    char data[4];
} cedi_nt_peek;

#endif
