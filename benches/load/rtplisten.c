/* Hears many RTP streams and tells how evenly their packets come.
 *
 *   rtplisten FIRST_PORT STREAMS WARM_S MEASURE_S
 *
 * Binds 127.0.0.1:FIRST_PORT and every second port above it, one for each stream, prints `listening`, and after a line on
 * its standard input lets WARM_S pass, then measures. The moments are the kernel's (SO_TIMESTAMPNS), so its own delay is
 * not in them. Prints `measuring`, then `done`, then one line:
 *   received=.. streams=.. p50_us=.. p99_us=.. max_us=..
 * where the times are how far the gap between two packets of a stream was from the 20 ms that their timestamps say.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { STREAMS = 20000, BUCKETS = 200000 /* of 1 us; the last holds all above */ };

static struct stream {
    int fd;
    uint32_t ts;
    int64_t at_ns;
} streams[STREAMS];
static unsigned histogram[BUCKETS + 1];

static int64_t ns(struct timespec t) { return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec; }

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return ns(t);
}

static void open_stream(struct stream *s, int port) {
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (s->fd < 0 || setsockopt(s->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) || bind(s->fd, (struct sockaddr *)&me, sizeof me)) {
        fprintf(stderr, "rtplisten: port %d: %s\n", port, strerror(errno));
        exit(2);
    }
}

/* One packet; 0 when there is none. */
static int receive(struct stream *s, int measured, unsigned long *counted) {
    uint8_t b[2048], control[128];
    struct iovec part = {b, sizeof b};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(s->fd, &m, MSG_DONTWAIT);
    if (n < 0) return 0;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (n < 12 || !c || c->cmsg_type != SCM_TIMESTAMPNS) return 1;
    struct timespec stamp;
    memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
    uint32_t ts;
    memcpy(&ts, b + 4, 4);
    ts = ntohl(ts);
    int64_t at = ns(stamp), passed = (int64_t)(ts - s->ts) * 125000;
    if (measured && s->at_ns && passed < 1000000000) {
        int64_t us = (at - s->at_ns - passed) / 1000;
        us = us < 0 ? -us : us;
        histogram[us > BUCKETS ? BUCKETS : us]++;
        ++*counted;
    }
    s->at_ns = at, s->ts = ts;
    return 1;
}

static unsigned percentile(unsigned long total, double share) {
    unsigned long want = (unsigned long)((double)total * share), seen = 0;
    for (unsigned us = 0; us <= BUCKETS; us++)
        if ((seen += histogram[us]) > want) return us;
    return BUCKETS;
}

int main(int argc, char **argv) {
    if (argc != 5) { fprintf(stderr, "usage: rtplisten FIRST_PORT STREAMS WARM_S MEASURE_S\n"); return 2; }
    int first = atoi(argv[1]), n = atoi(argv[2]), poll_fd = epoll_create1(0);
    if (n < 1 || n > STREAMS) { fprintf(stderr, "rtplisten: 1 to %d streams\n", STREAMS); return 2; }
    for (int i = 0; i < n; i++) {
        open_stream(&streams[i], first + 2 * i);
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, streams[i].fd, &e);
    }
    puts("listening"), fflush(stdout);
    struct pollfd go = {.fd = 0, .events = POLLIN};
    int64_t warm = 0, end = 0;
    int phase = 0, heard = 0;
    unsigned long received = 0;
    for (;;) {
        int64_t now = now_ns();
        if (phase == 0 && poll(&go, 1, 0) == 1) phase = 1, warm = now + (int64_t)(atof(argv[3]) * 1e9), end = warm + (int64_t)(atof(argv[4]) * 1e9);
        if (phase == 1 && now >= warm) phase = 2, puts("measuring"), fflush(stdout);
        if (phase == 2 && now >= end) break;
        struct epoll_event got[512];
        /* In lots, so that listening takes little from those who are measured. */
        int ready = epoll_wait(poll_fd, got, 512, 10);
        for (int i = 0; i < ready; i++)
            while (receive(&streams[got[i].data.u32], phase == 2, &received)) {}
        usleep(5000);
    }
    puts("done");
    unsigned top = BUCKETS;
    while (top && !histogram[top]) top--;
    for (int i = 0; i < n; i++) heard += streams[i].at_ns != 0;
    printf("received=%lu streams=%d p50_us=%u p99_us=%u max_us=%u\n", received, heard, percentile(received, 0.5), percentile(received, 0.99), top);
    return 0;
}
