/* The insides of a page tree, shared by the files that build (pagetree.c), change in place
 * (pagetree_put.c) and read (pagetree_read.c). A slot stands for a block of 512^level pages: either
 * one value for all of it (a run whose frames count up), or a pointer to a node. A node of level 1
 * is a leaf: 512 pages as runs. Nodes above hold 512 slots. */
#ifndef VMSCOPE_MODEL_PAGETREE_NODE_H
#define VMSCOPE_MODEL_PAGETREE_NODE_H

#include "model/pagetree.h"

enum { SLOT_NODE = 0xff }; /* struct page.state of a slot that holds a node pointer in frame */

struct node {
    unsigned refs;
    unsigned level;
};

struct leaf {
    struct node node;
    uint16_t tally[TALLY_N];
    uint16_t count;
    /* count values, then count first-page numbers within the leaf; room for a few more */
    struct page values[];
};

struct inner {
    struct node node;
    struct tally tally;
    struct page slots[PAGETREE_FANOUT];
};

struct pagetree {
    unsigned refs;
    unsigned levels;
    struct page root; /* a slot of level `levels` */
};

/* The runs of one leaf block, spread out for work. */
struct block {
    unsigned count;
    struct page values[PAGETREE_FANOUT];
    uint16_t first[PAGETREE_FANOUT];
};

/* Appends one run to a block, or grows its last one. */
void block_push(struct block *b, unsigned first, const struct page *value);
/* Appends pages [from, to) of what `slot`, a slot of level 1, holds. */
void block_copy(struct block *b, const struct page *slot, unsigned from, unsigned to);
/* A leaf with one reference that holds the runs of a block, or NULL. */
struct leaf *leaf_from(const struct block *b);
/* An inner node with one reference whose slots are those of `old`, or NULL. */
struct inner *inner_copy(const struct page *old, unsigned level);
/* The one value that all slots of the node form, if they do. */
bool inner_uniform(const struct inner *in, struct page *out);
void slot_ref(const struct page *slot);
void slot_unref(const struct page *slot);
/* Index of the run that holds this page of the leaf. */
unsigned leaf_index(const struct leaf *l, unsigned page);
/* Adds the tally of all that a slot of this level stands for. */
void slot_tally(const struct page *slot, unsigned level, struct tally *sum);

static inline uint64_t span_of(unsigned level)
{
    return (uint64_t)1 << (PAGETREE_FANOUT_BITS * level);
}

static inline bool is_node(const struct page *slot)
{
    return slot->state == SLOT_NODE;
}

static inline struct node *node_of(const struct page *slot)
{
    return (struct node *)(uintptr_t)slot->frame;
}

static inline struct leaf *leaf_of(const struct page *slot)
{
    return (struct leaf *)(uintptr_t)slot->frame;
}

static inline struct inner *inner_of(const struct page *slot)
{
    return (struct inner *)(uintptr_t)slot->frame;
}

static inline const uint16_t *leaf_first(const struct leaf *l)
{
    return (const uint16_t *)(l->values + l->count);
}

static inline struct page slot_with(void *node)
{
    return (struct page){.frame = (uintptr_t)node, .state = SLOT_NODE};
}

static inline bool same_value(const struct page *a, const struct page *b)
{
    return page_follows(a, 0, b);
}

static inline bool same_slot(const struct page *a, const struct page *b)
{
    return is_node(a) || is_node(b) ? is_node(a) && is_node(b) && a->frame == b->frame
                                    : same_value(a, b);
}

static inline size_t leaf_bytes(unsigned count)
{
    unsigned room = (count + 3) / 4 * 4;
    return sizeof(struct leaf) + room * (sizeof(struct page) + sizeof(uint16_t));
}

#endif
