/*
 * libFuzzer on addresses: whatever text is read, its printed form is read as the same address, and
 * is printed alike; what is refused leaves the result alone; no byte is written beyond the room.
 */
#include "cede/address.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* In memory of exactly that size, so that AddressSanitizer sees the end. */
static void print_into(const cede_address *address, size_t room, const char *whole)
{
    char *text = malloc(room ? room : 1);
    must(text);
    must(cede_address_print(address, text, room) == strlen(whole));
    if (room > 0) {
        size_t length = strlen(whole) < room - 1 ? strlen(whole) : room - 1;
        must(memcmp(text, whole, length) == 0 && text[length] == 0);
    }
    free(text);
}

static void there_and_back(const cede_address *address)
{
    char text[CEDE_ADDRESS_PATH + CEDE_ADDRESS_TEXT], again[sizeof text];
    cede_address read = {0};
    size_t length = cede_address_print(address, text, sizeof text);
    must(length < sizeof text);
    must(cede_address_parse(text, 0, &read) == CEDE_OK);
    must(cede_address_equal(address, &read));
    must(cede_address_print(&read, again, sizeof again) == length && strcmp(text, again) == 0);
    print_into(address, length + 1, text);
    print_into(address, length / 2, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    cede_address address, untouched;
    must(text);
    memcpy(text, data, size);
    text[size] = 0;
    memset(&address, 0x5a, sizeof address);
    untouched = address;
    cede_status status = cede_address_parse(text, 7, &address);
    must(status == CEDE_OK || status == CEDE_EINVAL);
    if (status == CEDE_OK)
        there_and_back(&address);
    else
        must(memcmp(&address, &untouched, sizeof address) == 0);
    free(text);
    return 0;
}
