#pragma once
#include <hiredis/hiredis.h>

// Elements of an array, beyond which it is refused: Roost's longest, the fields of a hash of rooms, are far fewer.
#define ROOST_MOST_ELEMENTS (1 << 20)

#if HIREDIS_MAJOR < 1
typedef int roost_element_count;
#else
typedef size_t roost_element_count;
#endif

// As the functions that the reader's private data points to create one; out of memory where it would be too long.
static inline void *roost_create_bounded_array(const redisReadTask *task, roost_element_count count) {
    if ((unsigned long long)count > ROOST_MOST_ELEMENTS) return NULL;
    const redisReplyObjectFunctions *plain = (const redisReplyObjectFunctions *)task->privdata;
    return plain->createArray(task, count);
}
