/* A streaming JSON writer: values go straight into a buffer, nothing is kept. A key or a value that
 * does not belong where it is written, and a failed allocation, are remembered: all later calls do
 * nothing and json_end answers the first error, so that callers check once. */
#ifndef VMSCOPE_BASE_JSON_H
#define VMSCOPE_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { JSON_DEPTH_MAX = 32 };

struct json {
    struct buf *out; /* borrowed; written at its end */
    int error;       /* 0 or negative errno; sticky */
    unsigned depth;  /* open objects and arrays */
    bool keyed;      /* a key was written and waits for its value */
    bool done;       /* the one top-level value is complete */
    struct {
        bool object, used;
    } level[JSON_DEPTH_MAX];
};

/* Starts a document (one value) at the end of *out, which must outlive j. */
void json_init(struct json *j, struct buf *out);

/* 0 when the document is complete; otherwise the first error: -ENOMEM; -EINVAL for a misplaced key
 * or value or for something left open; -E2BIG for nesting beyond JSON_DEPTH_MAX. */
int json_end(const struct json *j);

/* Values: members of the open object behind a key, elements of the open array, or the document. */
void json_open_object(struct json *j);
void json_close_object(struct json *j);
void json_open_array(struct json *j);
void json_close_array(struct json *j);

/* Returns j, so that a member reads json_put_u64(json_key(j, "pid"), pid). */
struct json *json_key(struct json *j, const char *key);

/* Foreign bytes: each byte that is not part of valid UTF-8 becomes \ufffd; control characters (C0,
 * DEL, C1) and those that reorder or hide text are escaped, so that the output can be shown. */
void json_put_bytes(struct json *j, const char *bytes, size_t len);
void json_put_string(struct json *j, const char *s);
void json_put_u64(struct json *j, uint64_t v);
void json_put_i64(struct json *j, int64_t v);
void json_put_hex(struct json *j, uint64_t v); /* the string "0x7f00" */
void json_put_bool(struct json *j, bool v);
void json_put_null(struct json *j);

#endif
