/*
 * The budgets of memory (1b: Names and room): a pending request costs at most 256 bytes, the
 * caller's cede_req included; an idle connection (a slot for its pending receive and a handle
 * entry) at most 192. Prints them and holds them.
 */
#include "unit.h"

#include "core.h"

int main(void)
{
    size_t req = sizeof(cede_req), slot = sizeof(cedi_slot), entry = sizeof(cedi_entry);
    size_t chunk_head = (offsetof(cedi_chunk, slots) + 63) / CEDI_CHUNK_SLOTS + 1;
    printf("cede_req %zu, slot %zu, together %zu bytes; handle entry %zu; a slot's share of its "
           "chunk's head %zu\n",
           req, slot, req + slot, entry, chunk_head);
    REQUIRE(req <= 128, "cede_req has %zu bytes", req);
    REQUIRE(entry <= 64, "an entry has %zu bytes", entry);
    REQUIRE(sizeof(cede_stat) == 256, "cede_stat has %zu bytes", sizeof(cede_stat));
    REQUIRE(sizeof(cede_ticket) == 16, "a ticket has %zu bytes", sizeof(cede_ticket));
#ifdef CEDI_CHECKED
    printf("a checked build: the slot's budget does not apply\n");
#else
    REQUIRE(req + slot <= 256, "a pending request costs %zu bytes", req + slot);
    REQUIRE(slot + entry <= 192, "an idle connection costs %zu bytes", slot + entry);
#endif
    return 0;
}
