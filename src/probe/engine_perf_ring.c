/* A ring that the kernel writes records into (perf_event_open(2), "MMAP layout"): it moves
 * data_head, we move data_tail, and what lies between waits. The next record is always read ahead,
 * so that rings can be compared by its time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe/engine_perf.h"

enum { RECORD_MAX = 1 << 16 }; /* a record's size is told in 16 bits */

int perf_ring_map(struct perf_ring *ring, int fd, uint64_t size)
{
    size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
    char *joined = malloc(RECORD_MAX);
    if (!joined)
        return -ENOMEM;
    void *p = mmap(NULL, page_size + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        int rc = -errno;
        free(joined);
        return rc;
    }
    *ring = (struct perf_ring){
        .page = p, .fd = fd, .data = (char *)p + page_size, .size = size, .joined = joined};
    return 0;
}

void perf_ring_unmap(struct perf_ring *ring)
{
    if (!ring->page)
        return;
    munmap(ring->page, (size_t)(ring->data - (char *)ring->page) + ring->size);
    close(ring->fd);
    free(ring->joined);
    *ring = (struct perf_ring){0};
}

/* The bytes from tail on, in one piece: where they lie, or copied when a record wraps around. */
static const char *in_one_piece(struct perf_ring *ring, size_t *len)
{
    uint64_t waiting = ring->head - ring->tail;
    uint64_t at = ring->tail & (ring->size - 1);
    uint64_t room = ring->size - at;
    if (waiting <= room) {
        *len = (size_t)waiting;
        return ring->data + at;
    }
    struct perf_event_header h; /* records are aligned to 8 bytes: it never wraps */
    memcpy(&h, ring->data + at, sizeof h);
    *len = (size_t)room;
    if (h.size <= room)
        return ring->data + at;
    *len = h.size < waiting ? h.size : (size_t)waiting;
    memcpy(ring->joined, ring->data + at, room);
    memcpy(ring->joined + room, ring->data, *len - room);
    return ring->joined;
}

/* Reads records until one of interest is ready in next. */
static void read_ahead(struct perf_ring *ring, const struct perf_layout *layout)
{
    ring->has_next = false;
    while (!ring->has_next && ring->tail != ring->head) {
        size_t len = 0;
        const char *bytes = ring->head - ring->tail <= ring->size ? in_one_piece(ring, &len) : NULL;
        int size = bytes ? perf_record_parse(layout, bytes, len, &ring->next) : -EINVAL;
        if (size < 0) {
            ring->damaged++;
            ring->tail = ring->head;
            return;
        }
        ring->tail += (uint64_t)size;
        ring->has_next = ring->next.what != PERF_IS_OTHER;
    }
}

void perf_ring_refresh(struct perf_ring *ring, const struct perf_layout *layout)
{
    ring->head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
    if (!ring->has_next)
        read_ahead(ring, layout);
}

void perf_ring_advance(struct perf_ring *ring, const struct perf_layout *layout)
{
    read_ahead(ring, layout);
}

void perf_ring_skip(struct perf_ring *ring)
{
    ring->has_next = false;
    ring->head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
    ring->tail = ring->head;
    perf_ring_release(ring);
}

void perf_ring_release(struct perf_ring *ring)
{
    __atomic_store_n(&ring->page->data_tail, ring->tail, __ATOMIC_RELEASE);
}
