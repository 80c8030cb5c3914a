/* The table of Windows' errors, src/win32/error.c: every row is found, so its order is right; and
 * what Winsock says of a socket has a status, and is not said of what is no failure. */
#include "../../src/win32/error.c"

#include <stdio.h>

int main(void)
{
    int wrong = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (cedi_error_status(rows[i].error) == rows[i].status &&
            (i == 0 || rows[i - 1].error < rows[i].error))
            continue;
        printf("the row of error %u is not found, or stands twice or out of order\n",
               (unsigned)rows[i].error);
        wrong++;
    }
    if (cedi_error_status(0) != CEDE_OK || cedi_error_status(0xfffe) != CEDE_EUNKNOWN ||
        cedi_error_status(0x80310000u) != CEDE_EUNKNOWN)
        wrong++;
    for (size_t i = 0; i < sizeof socket_rows / sizeof socket_rows[0]; i++) {
        if (cedi_error_status(cedi_error_of_socket(socket_rows[i].status)) != CEDE_EUNKNOWN &&
            socket_rows[i].status >> 30 == 3 &&
            (i == 0 || socket_rows[i - 1].status < socket_rows[i].status))
            continue;
        printf("the row of status %lx has no status, is no error's or stands out of order\n",
               (unsigned long)socket_rows[i].status);
        wrong++;
    }
    if (cedi_error_of_socket(0) || cedi_error_of_socket(0x80000005u) ||
        cedi_error_is_shortage(cedi_error_of_socket(0xC0000206u)) ||
        !cedi_error_is_shortage(cedi_error_of_socket(0xC000009Au)))
        wrong++;
    return wrong != 0;
}
