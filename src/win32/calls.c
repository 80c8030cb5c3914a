/*
 * The system's own calls behind the seam, and what is looked for in ntdll. Stateless but for what
 * was found there, once.
 */
#include "calls.h"

#include <mswsock.h>
#include <ws2tcpip.h>

static uint32_t error_unless(BOOL happened)
{
    return happened ? 0 : GetLastError();
}

static uint32_t read_file(void *file, void *buffer, uint32_t bytes, void *overlapped)
{
    return error_unless(ReadFile(file, buffer, bytes, NULL, overlapped));
}

static uint32_t write_file(void *file, const void *buffer, uint32_t bytes, void *overlapped)
{
    return error_unless(WriteFile(file, buffer, bytes, NULL, overlapped));
}

static uint32_t read_file_ex(void *file, void *buffer, uint32_t bytes, void *overlapped,
                             void (*routine)(void))
{
    return error_unless(
        ReadFileEx(file, buffer, bytes, overlapped, (LPOVERLAPPED_COMPLETION_ROUTINE)routine));
}

static uint32_t write_file_ex(void *file, const void *buffer, uint32_t bytes, void *overlapped,
                              void (*routine)(void))
{
    return error_unless(
        WriteFileEx(file, buffer, bytes, overlapped, (LPOVERLAPPED_COMPLETION_ROUTINE)routine));
}

static uint32_t cancel_io_ex(void *file, void *overlapped)
{
    return error_unless(CancelIoEx(file, overlapped));
}

static uint32_t cancel_synchronous_io(void *thread)
{
    return error_unless(CancelSynchronousIo(thread));
}

static uint32_t get_completions(void *port, void *entries, uint32_t most, uint32_t *count,
                                uint32_t timeout_ms, int alertable)
{
    ULONG got = 0;
    uint32_t error =
        error_unless(GetQueuedCompletionStatusEx(port, entries, most, &got, timeout_ms, alertable));
    *count = error ? 0 : got;
    return error;
}

static uint32_t post_completion(void *port, uint32_t bytes, uintptr_t key, void *overlapped)
{
    return error_unless(PostQueuedCompletionStatus(port, bytes, key, overlapped));
}

static uint32_t create_port(void *file, void *port, uintptr_t key, void **out)
{
    /* Two wait at it (embed.c): a loop that is busy and never sleeps does not keep the other. */
    HANDLE made = CreateIoCompletionPort(file, port, key, 2);
    *out = made;
    return made ? 0 : GetLastError();
}

static uint32_t set_notification_modes(void *file, uint8_t modes)
{
    return error_unless(SetFileCompletionNotificationModes(file, modes));
}

static uint32_t create_file(const wchar_t *path, uint32_t access, uint32_t share,
                            uint32_t disposition, uint32_t flags, void **out)
{
    *out = CreateFileW(path, access, share, NULL, disposition, flags, NULL);
    return *out == INVALID_HANDLE_VALUE ? GetLastError() : 0;
}

static uint32_t close_handle(void *handle)
{
    return error_unless(CloseHandle(handle));
}

static uint32_t get_path_attributes(const wchar_t *path, uint32_t *attributes)
{
    *attributes = GetFileAttributesW(path);
    return *attributes == INVALID_FILE_ATTRIBUTES ? GetLastError() : 0;
}

static uint32_t get_file_info(void *file, int what, void *out, uint32_t bytes)
{
    return error_unless(
        GetFileInformationByHandleEx(file, (FILE_INFO_BY_HANDLE_CLASS)what, out, bytes));
}

static uint32_t set_file_info(void *file, int what, void *in, uint32_t bytes)
{
    return error_unless(
        SetFileInformationByHandle(file, (FILE_INFO_BY_HANDLE_CLASS)what, in, bytes));
}

static uint32_t describe_file(void *file, void *out)
{
    return error_unless(GetFileInformationByHandle(file, out));
}

static uint32_t get_reparse_point(void *file, void *out, uint32_t bytes, uint32_t *got)
{
    DWORD made = 0;
    uint32_t error = error_unless(
        DeviceIoControl(file, FSCTL_GET_REPARSE_POINT, NULL, 0, out, bytes, &made, NULL));
    *got = made;
    return error;
}

static uint32_t move_file(const wchar_t *from, const wchar_t *to, uint32_t flags)
{
    return error_unless(MoveFileExW(from, to, flags));
}

/* ---- Winsock -------------------------------------------------------------------------------- */

#define PIPE_BYTES 65536u /* the quota of each direction of a pipe of ours */

static uint32_t error_unless_0(int result)
{
    return result == 0 ? 0 : (uint32_t)WSAGetLastError();
}

/* Streams and datagrams of the internet by their protocols; another family's (AF_UNIX, of a
 * listener that was made elsewhere) by what it has. */
static int protocol_of(int family, int type)
{
    if (family != AF_INET && family != AF_INET6)
        return 0;
    return type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
}

static uint32_t make_socket(int family, int type, uintptr_t *out)
{
    SOCKET made = WSASocketW(family, type, protocol_of(family, type), NULL, 0,
                             WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    *out = made;
    return made == INVALID_SOCKET ? (uint32_t)WSAGetLastError() : 0;
}

static uint32_t close_socket(uintptr_t socket)
{
    return error_unless_0(closesocket(socket));
}

static uint32_t set_socket_option(uintptr_t socket, int level, int option, const void *value,
                                  int bytes)
{
    return error_unless_0(setsockopt(socket, level, option, value, bytes));
}

static uint32_t wsa_recv(uintptr_t socket, void *buffers, uint32_t count, void *flags,
                         void *overlapped, void (*routine)(void))
{
    return error_unless_0(WSARecv(socket, buffers, count, NULL, flags, overlapped,
                                  (LPWSAOVERLAPPED_COMPLETION_ROUTINE)routine));
}

static uint32_t wsa_send(uintptr_t socket, void *buffers, uint32_t count, void *overlapped,
                         void (*routine)(void))
{
    return error_unless_0(WSASend(socket, buffers, count, NULL, 0, overlapped,
                                  (LPWSAOVERLAPPED_COMPLETION_ROUTINE)routine));
}

static uint32_t wsa_recv_from(uintptr_t socket, void *buffer, void *flags, void *name,
                              int *name_bytes, void *overlapped, void (*routine)(void))
{
    return error_unless_0(WSARecvFrom(socket, buffer, 1, NULL, flags, name, name_bytes, overlapped,
                                      (LPWSAOVERLAPPED_COMPLETION_ROUTINE)routine));
}

static uint32_t wsa_send_to(uintptr_t socket, void *buffer, const void *name, int name_bytes,
                            void *overlapped, void (*routine)(void))
{
    return error_unless_0(WSASendTo(socket, buffer, 1, NULL, 0, name, name_bytes, overlapped,
                                    (LPWSAOVERLAPPED_COMPLETION_ROUTINE)routine));
}

/* Each provider has its own; Windows answers this without a way to the kernel. */
static uint32_t find_extension(uintptr_t socket, GUID id, void *out, uint32_t bytes)
{
    DWORD got;
    return error_unless_0(WSAIoctl(socket, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, out,
                                   bytes, &got, NULL, NULL));
}

static uint32_t accept_ex(uintptr_t listener, uintptr_t socket, void *names, uint32_t name_bytes,
                          void *overlapped)
{
    const GUID id = WSAID_ACCEPTEX;
    LPFN_ACCEPTEX call = NULL;
    DWORD got;
    uint32_t error = find_extension(listener, id, &call, sizeof call);
    if (error)
        return error;
    return call(listener, socket, names, 0, name_bytes, name_bytes, &got, overlapped)
               ? 0
               : (uint32_t)WSAGetLastError();
}

static uint32_t connect_ex(uintptr_t socket, const void *name, int name_bytes, void *overlapped)
{
    const GUID id = WSAID_CONNECTEX;
    LPFN_CONNECTEX call = NULL;
    uint32_t error = find_extension(socket, id, &call, sizeof call);
    if (error)
        return error;
    return call(socket, name, name_bytes, NULL, 0, NULL, overlapped) ? 0
                                                                     : (uint32_t)WSAGetLastError();
}

static uint32_t transmit_file(uintptr_t socket, void *file, uint32_t bytes, void *overlapped)
{
    const GUID id = WSAID_TRANSMITFILE;
    LPFN_TRANSMITFILE call = NULL;
    uint32_t error = find_extension(socket, id, &call, sizeof call);
    if (error)
        return WSAEOPNOTSUPP; /* its provider has none */
    return call(socket, file, bytes, 0, overlapped, NULL, 0) ? 0 : (uint32_t)WSAGetLastError();
}

/* ---- Hosts ---------------------------------------------------------------------------------- */

/* Names of other languages are brought into their form in ASCII by the system, unless it is told
 * not to. */
static uint32_t look_up(const wchar_t *host, int family, void **found, void *overlapped,
                        void (*routine)(void), void **name)
{
    const ADDRINFOEXW hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
    const cedi_winsock *winsock = cedi_win_winsock();
    if (!winsock->look_up)
        return WSAEOPNOTSUPP;
    return (uint32_t)winsock->look_up(host, NULL, NS_ALL, NULL, &hints, found, NULL, overlapped,
                                      (cedi_looked_up *)routine, name);
}

static uint32_t look_up_cancel(void **name)
{
    const cedi_winsock *winsock = cedi_win_winsock();
    return winsock->look_up_cancel ? (uint32_t)winsock->look_up_cancel(name) : WSAEOPNOTSUPP;
}

static uint32_t get_addresses(const wchar_t *host, int family, void **found)
{
    const ADDRINFOW hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
    return (uint32_t)GetAddrInfoW(host, NULL, &hints, (ADDRINFOW **)found);
}

/* ---- Named pipes ---------------------------------------------------------------------------- */

static uint32_t create_pipe(const wchar_t *name, uint32_t open_mode, uint32_t instances, void **out)
{
    *out = CreateNamedPipeW(name, open_mode, PIPE_TYPE_BYTE | PIPE_REJECT_REMOTE_CLIENTS, instances,
                            PIPE_BYTES, PIPE_BYTES, 0, NULL);
    return *out == INVALID_HANDLE_VALUE ? GetLastError() : 0;
}

static uint32_t connect_pipe(void *pipe, void *overlapped)
{
    return error_unless(ConnectNamedPipe(pipe, overlapped));
}

/* ---- Processes ------------------------------------------------------------------------------ */

static uint32_t create_process(cede_win32_process *how)
{
    union {
        LPPROC_THREAD_ATTRIBUTE_LIST align;
        unsigned char bytes[256]; /* a list of one is some 50 long */
    } room;
    LPPROC_THREAD_ATTRIBUTE_LIST list = (LPPROC_THREAD_ATTRIBUTE_LIST)(void *)&room;
    DWORD flags = EXTENDED_STARTUPINFO_PRESENT | CREATE_UNICODE_ENVIRONMENT |
                  (how->new_group ? CREATE_NEW_PROCESS_GROUP : 0);
    SIZE_T bytes = sizeof room;
    PROCESS_INFORMATION made;
    STARTUPINFOEXW start = {.StartupInfo = {.cb = sizeof start, .dwFlags = STARTF_USESTDHANDLES}};
    uint32_t error = error_unless(InitializeProcThreadAttributeList(list, 1, 0, &bytes));
    if (error)
        return error;
    start.StartupInfo.hStdInput = how->stdio[0];
    start.StartupInfo.hStdOutput = how->stdio[1];
    start.StartupInfo.hStdError = how->stdio[2];
    start.lpAttributeList = list;
    error = error_unless(UpdateProcThreadAttribute(list, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
                                                   how->stdio, sizeof how->stdio, NULL, NULL));
    if (error == 0)
        error = error_unless(CreateProcessW(how->program, how->line, NULL, NULL, TRUE, flags,
                                            how->environment, how->directory, &start.StartupInfo,
                                            &made));
    DeleteProcThreadAttributeList(list);
    if (error)
        return error;
    (void)CloseHandle(made.hThread);
    how->process = made.hProcess;
    how->id = made.dwProcessId;
    return 0;
}

/* ---- Events, changes ------------------------------------------------------------------------ */

#define WATCHED                                                                                   \
    (FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_DIR_NAME | FILE_NOTIFY_CHANGE_ATTRIBUTES | \
     FILE_NOTIFY_CHANGE_SIZE | FILE_NOTIFY_CHANGE_LAST_WRITE | FILE_NOTIFY_CHANGE_SECURITY)

static uint32_t add_console_handler(void (*handler)(void))
{
    return error_unless(SetConsoleCtrlHandler((PHANDLER_ROUTINE)handler, TRUE));
}

static uint32_t remove_console_handler(void (*handler)(void))
{
    return error_unless(SetConsoleCtrlHandler((PHANDLER_ROUTINE)handler, FALSE));
}

/* The one call that tells the end of a read by ctrl-C from the end of the input. */
static uint32_t read_console(void *input, wchar_t *units, uint32_t most, uint32_t *count)
{
    DWORD got = 0;
    SetLastError(0);
    if (!ReadConsoleW(input, units, most, &got, NULL))
        return GetLastError();
    *count = got;
    return got == 0 && GetLastError() == ERROR_OPERATION_ABORTED ? ERROR_OPERATION_ABORTED : 0;
}

static uint32_t write_console(void *output, const wchar_t *units, uint32_t count, uint32_t *written)
{
    DWORD took = 0;
    uint32_t error = error_unless(WriteConsoleW(output, units, count, &took, NULL));
    *written = took;
    return error;
}

static uint32_t read_changes(void *directory, void *buffer, uint32_t bytes, void *overlapped)
{
    return ReadDirectoryChangesW(directory, buffer, bytes, FALSE, WATCHED, NULL, overlapped, NULL)
               ? ERROR_IO_PENDING
               : GetLastError();
}

static const cede_win32_calls system_calls = {read_file,
                                              write_file,
                                              read_file_ex,
                                              write_file_ex,
                                              cancel_io_ex,
                                              cancel_synchronous_io,
                                              get_completions,
                                              post_completion,
                                              create_port,
                                              set_notification_modes,
                                              create_file,
                                              close_handle,
                                              get_path_attributes,
                                              get_file_info,
                                              set_file_info,
                                              describe_file,
                                              get_reparse_point,
                                              move_file,
                                              make_socket,
                                              close_socket,
                                              set_socket_option,
                                              wsa_recv,
                                              wsa_send,
                                              wsa_recv_from,
                                              wsa_send_to,
                                              accept_ex,
                                              connect_ex,
                                              create_pipe,
                                              connect_pipe,
                                              transmit_file,
                                              look_up,
                                              look_up_cancel,
                                              get_addresses,
                                              create_process,
                                              add_console_handler,
                                              remove_console_handler,
                                              read_changes,
                                              read_console,
                                              write_console};

const cede_win32_calls *cede_win32_system_calls(void)
{
    return &system_calls;
}

#define CHOOSE(member) out->member = given->member ? given->member : system_calls.member

void cedi_win_calls_fill(cede_win32_calls *out, const cede_win32_calls *given)
{
    if (!given)
        given = &system_calls;
    CHOOSE(read_file);
    CHOOSE(write_file);
    CHOOSE(read_file_ex);
    CHOOSE(write_file_ex);
    CHOOSE(cancel_io_ex);
    CHOOSE(cancel_synchronous_io);
    CHOOSE(get_completions);
    CHOOSE(post_completion);
    CHOOSE(create_port);
    CHOOSE(set_notification_modes);
    CHOOSE(create_file);
    CHOOSE(close_handle);
    CHOOSE(get_path_attributes);
    CHOOSE(get_file_info);
    CHOOSE(set_file_info);
    CHOOSE(describe_file);
    CHOOSE(get_reparse_point);
    CHOOSE(move_file);
    CHOOSE(make_socket);
    CHOOSE(close_socket);
    CHOOSE(set_socket_option);
    CHOOSE(wsa_recv);
    CHOOSE(wsa_send);
    CHOOSE(wsa_recv_from);
    CHOOSE(wsa_send_to);
    CHOOSE(accept_ex);
    CHOOSE(connect_ex);
    CHOOSE(create_pipe);
    CHOOSE(connect_pipe);
    CHOOSE(transmit_file);
    CHOOSE(look_up);
    CHOOSE(look_up_cancel);
    CHOOSE(get_addresses);
    CHOOSE(create_process);
    CHOOSE(add_console_handler);
    CHOOSE(remove_console_handler);
    CHOOSE(read_changes);
    CHOOSE(read_console);
    CHOOSE(write_console);
}

/* ---- ntdll ---------------------------------------------------------------------------------- */

static INIT_ONCE nt_once = INIT_ONCE_STATIC_INIT;
static cedi_nt nt;

typedef void any_function(void);

static any_function *look_for(HMODULE module, const char *name)
{
    return module ? (any_function *)GetProcAddress(module, name) : NULL;
}

static BOOL CALLBACK nt_find(INIT_ONCE *once, void *parameter, void **context)
{
    HMODULE module = GetModuleHandleW(L"ntdll.dll");
    (void)once;
    (void)parameter;
    (void)context;
    nt.error_of = (unsigned long(WINAPI *)(LONG))look_for(module, "RtlNtStatusToDosError");
    nt.last_status = (LONG(WINAPI *)(void))look_for(module, "RtlGetLastNtStatus");
    nt.query_file = (LONG(WINAPI *)(HANDLE, cedi_nt_status_block *, void *, unsigned long,
                                    int))look_for(module, "NtQueryInformationFile");
    nt.set_file = (LONG(WINAPI *)(HANDLE, cedi_nt_status_block *, void *, unsigned long,
                                  int))look_for(module, "NtSetInformationFile");
    nt.query_object = (LONG(WINAPI *)(HANDLE, int, void *, unsigned long, unsigned long *))look_for(
        module, "NtQueryObject");
    return TRUE;
}

static INIT_ONCE winsock_once = INIT_ONCE_STATIC_INIT;
static cedi_winsock winsock_found;

static BOOL CALLBACK winsock_find(INIT_ONCE *once, void *parameter, void **context)
{
    HMODULE module = GetModuleHandleW(L"ws2_32.dll");
    (void)once;
    (void)parameter;
    (void)context;
    winsock_found.look_up = (cedi_look_up *)look_for(module, "GetAddrInfoExW");
    winsock_found.look_up_cancel = (int(WSAAPI *)(HANDLE *))look_for(module, "GetAddrInfoExCancel");
    return TRUE;
}

const cedi_winsock *cedi_win_winsock(void)
{
    (void)InitOnceExecuteOnce(&winsock_once, winsock_find, NULL, NULL);
    return &winsock_found;
}

const cedi_nt *cedi_win_nt(void)
{
    (void)InitOnceExecuteOnce(&nt_once, nt_find, NULL, NULL);
    return &nt;
}

uint32_t cedi_win_pending_deletion(uint32_t error)
{
    if (error != ERROR_ACCESS_DENIED || !cedi_win_nt()->last_status)
        return error;
    return (uint32_t)nt.last_status() == SYSTEM_STATUS_DELETING ? ERROR_DELETE_PENDING : error;
}

uint32_t cedi_win_error_of(ULONG_PTR internal)
{
    if (internal == SYSTEM_STATUS_SUCCESS)
        return 0;
    if (internal == SYSTEM_STATUS_CANCELLED)
        return ERROR_OPERATION_ABORTED;
    return nt.error_of ? nt.error_of((LONG)(uint32_t)internal) : ERROR_GEN_FAILURE;
}
