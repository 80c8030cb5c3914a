/* Doubly linked lists, with the link inside of what they hold. The head is a link too. */
#ifndef CEDE_LIST_H
#define CEDE_LIST_H

#include <stdbool.h>

typedef struct cedi_link cedi_link;
struct cedi_link {
    cedi_link *next, *prev;
};

static inline void cedi_list_init(cedi_link *list)
{
    list->next = list->prev = list;
}

static inline bool cedi_list_empty(const cedi_link *list)
{
    return list->next == list;
}

static inline void cedi_list_push(cedi_link *list, cedi_link *link)
{
    cedi_link *last = list->prev;
    link->next = list;
    link->prev = last;
    last->next = link;
    list->prev = link;
}

static inline void cedi_list_remove(cedi_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
}

/* Moves all of `from` behind what is in `list`. */
static inline void cedi_list_append(cedi_link *list, cedi_link *from)
{
    if (cedi_list_empty(from))
        return;
    from->next->prev = list->prev;
    list->prev->next = from->next;
    from->prev->next = list;
    list->prev = from->prev;
    cedi_list_init(from);
}

#endif
