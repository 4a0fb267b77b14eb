/* Files for the makers. A shell that waits for the end of a pipe removes them when this process
 * ends, however it ends. */
#include "states.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *disk_root;

void set_disk_root(const char *root)
{
    disk_root = root;
}

/* The pipe's writing end stays open in this process alone (O_CLOEXEC; forked children hold it too,
 * and die with their parent). */
static int start_janitor(char *dir)
{
    static char script[] = "trap '' HUP INT TERM; read -r x; rm -rf -- \"$1\"";
    char sh[] = "sh", opt[] = "-c", zero[] = "janitor";
    char *argv[] = {sh, opt, script, zero, dir, NULL};
    char *envp[] = {NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    int end[2];
    pid_t pid;
    if (pipe2(end, O_CLOEXEC) < 0)
        return -errno;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, end[0], STDIN_FILENO);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID);
    int error = posix_spawn(&pid, "/bin/sh", &files, &attr, argv, envp);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    close(end[0]);
    return -error;
}

static const char *make_dir(char *path, size_t cap, const char *root)
{
    if (path[0])
        return path;
    snprintf(path, cap, "%s/vmscope-states-XXXXXX", root);
    if (!mkdtemp(path)) {
        path[0] = '\0';
        return NULL;
    }
    if (start_janitor(path) < 0) {
        rmdir(path);
        path[0] = '\0';
        return NULL;
    }
    return path;
}

const char *disk_dir(void)
{
    static char path[256];
    const char *root = disk_root ? disk_root : getenv("TMPDIR");
    return make_dir(path, sizeof path, root ? root : "/var/tmp");
}

const char *shm_dir(void)
{
    static char path[64];
    return make_dir(path, sizeof path, "/dev/shm");
}

/* One write, so that the page cache may use large folios. */
static int fill_file(int fd, size_t pages)
{
    size_t bytes = pages * page_bytes;
    char *content = malloc(bytes);
    if (!content)
        return -1;
    for (size_t i = 0; i < pages; i++)
        memset(content + i * page_bytes, (int)(i % 255 + 1), page_bytes);
    ssize_t done = write(fd, content, bytes);
    free(content);
    return done == (ssize_t)bytes ? 0 : -1;
}

int make_file(const char *leaf, size_t pages)
{
    char path[512];
    const char *dir = disk_dir();
    if (!dir)
        return -1;
    snprintf(path, sizeof path, "%s/%s", dir, leaf);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    if (fill_file(fd, pages) < 0 || fsync(fd) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int make_memfd(const char *name, size_t pages, unsigned flags)
{
    int fd = memfd_create(name, MFD_CLOEXEC | flags);
    if (fd >= 0 && ftruncate(fd, (off_t)(pages * page_bytes)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}
