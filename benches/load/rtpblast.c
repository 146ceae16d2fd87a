/* Sends and receives many RTP streams and tells loss and latency.
 *
 *   rtpblast WARM_S MEASURE_S [any] < lines of `LOCAL_PORT REMOTE_IP REMOTE_PORT [PAYLOAD_TYPE]`
 *
 * Each line is one party: it binds 127.0.0.1:LOCAL_PORT and sends 172-byte packets (PCMU unless told) there every 20 ms, at a phase of
 * its own. The payload carries the send time, so whoever of these parties receives it knows how long it was under way
 * (same clock, same process). Prints `measuring`, then `done`, then one line:
 *   sent=.. received=.. lost_ppm=.. p50_us=.. p99_us=.. max_us=..
 * Loss is counted over what was sent in the measured time. `any`: packets are counted as they come, whatever is in them,
 * and nothing is known of how long they were under way; for those that are transcoded.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { PARTIES = 20000, BYTES = 172, BUCKETS = 200000 /* of 1 us; the last holds all above */ };
static const uint32_t MAGIC = 0x686f746c;
static const int64_t PTIME_NS = 20000000;

struct party {
    int fd;
    struct sockaddr_in to;
    int64_t due;
    uint32_t ssrc, ts;
    uint16_t seq;
    uint8_t type;
};
struct mark {
    uint32_t magic, measured;
    int64_t sent_ns;
};

static struct party parties[PARTIES];
static unsigned histogram[BUCKETS + 1];
static int any;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int by_due(const void *a, const void *b) {
    int64_t x = ((const struct party *)a)->due, y = ((const struct party *)b)->due;
    return x < y ? -1 : x > y;
}

static int read_parties(void) {
    int n = 0, local, remote, type;
    char ip[64], line[128];
    srand(1);
    while (n < PARTIES && fgets(line, sizeof line, stdin)) {
        int said = sscanf(line, "%d %63s %d %d", &local, ip, &remote, &type);
        if (said < 3) break;
        struct party *p = &parties[n++];
        p->type = (uint8_t)(said > 3 ? type : 0);
        struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons((uint16_t)local), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        p->to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)remote)};
        p->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        if (inet_pton(AF_INET, ip, &p->to.sin_addr) != 1 || p->fd < 0 || bind(p->fd, (struct sockaddr *)&me, sizeof me)) {
            fprintf(stderr, "rtpblast: port %d: %s\n", local, strerror(errno));
            exit(2);
        }
        p->ssrc = (uint32_t)rand();
        p->due = (int64_t)(rand() % 20000) * 1000;
    }
    return n;
}

static void send_one(struct party *p, uint32_t measured, int64_t at) {
    uint8_t b[BYTES];
    memset(b, 0xff, sizeof b);
    p->seq++, p->ts += 160;
    b[0] = 0x80, b[1] = p->type, b[2] = (uint8_t)(p->seq >> 8), b[3] = (uint8_t)p->seq;
    uint32_t ts = htonl(p->ts), ssrc = htonl(p->ssrc);
    memcpy(b + 4, &ts, 4), memcpy(b + 8, &ssrc, 4);
    struct mark m = {MAGIC, measured, at};
    memcpy(b + 12, &m, sizeof m);
    sendto(p->fd, b, sizeof b, 0, (struct sockaddr *)&p->to, sizeof p->to);
}

static unsigned long receive(int fd, int measuring) {
    uint8_t b[2048];
    unsigned long counted = 0;
    for (int i = 0; i < 8; i++) {
        ssize_t n = recv(fd, b, sizeof b, MSG_DONTWAIT);
        if (n < 0) break;
        struct mark m;
        if (n != BYTES) continue;
        if (any) {
            counted += (unsigned long)measuring;
            continue;
        }
        memcpy(&m, b + 12, sizeof m);
        if (m.magic != MAGIC || !m.measured) continue;
        int64_t us = (now_ns() - m.sent_ns) / 1000;
        histogram[us < 0 ? 0 : us > BUCKETS ? BUCKETS : us]++;
        counted++;
    }
    return counted;
}

static unsigned percentile(unsigned long total, double share) {
    unsigned long want = (unsigned long)((double)total * share), seen = 0;
    for (unsigned us = 0; us <= BUCKETS; us++)
        if ((seen += histogram[us]) > want) return us;
    return BUCKETS;
}

int main(int argc, char **argv) {
    any = argc == 4 && !strcmp(argv[3], "any");
    if (argc != 3 + any) { fprintf(stderr, "usage: rtpblast WARM_S MEASURE_S [any] < parties\n"); return 2; }
    int n = read_parties(), poll_fd = epoll_create1(0);
    if (!n) { fprintf(stderr, "rtpblast: no parties on stdin\n"); return 2; }
    prctl(PR_SET_TIMERSLACK, 1000);
    qsort(parties, (size_t)n, sizeof *parties, by_due);
    for (int i = 0; i < n; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.fd = parties[i].fd};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, parties[i].fd, &e);
    }
    int tick_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec every = {{0, 500000}, {0, 500000}};
    timerfd_settime(tick_fd, 0, &every, NULL);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = tick_fd};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, tick_fd, &e);
    int64_t start = now_ns(), warm = start + (int64_t)(atof(argv[1]) * 1e9), end = warm + (int64_t)(atof(argv[2]) * 1e9), linger = end + 500000000;
    for (int i = 0; i < n; i++) parties[i].due += start;
    unsigned long sent = 0, received = 0;
    int next = 0, phase = 0;
    for (;;) {
        int64_t now = now_ns();
        if (phase == 0 && now >= warm) phase = 1, puts("measuring"), fflush(stdout);
        if (phase == 1 && now >= end) phase = 2, puts("done"), fflush(stdout);
        if (now >= linger) break;
        /* The list stays in order of `due`: all periods are the same. */
        while (phase < 2 && parties[next].due <= now) {
            send_one(&parties[next], phase == 1, now_ns());
            sent += phase == 1;
            parties[next].due += PTIME_NS;
            next = (next + 1) % n;
        }
        struct epoll_event got[256];
        int ready = epoll_wait(poll_fd, got, 256, 100);
        for (int i = 0; i < ready; i++) {
            uint64_t ticks;
            if (got[i].data.fd == tick_fd) { if (read(tick_fd, &ticks, 8) < 0) continue; }
            else received += receive(got[i].data.fd, phase == 1);
        }
    }
    unsigned top = BUCKETS;
    while (top && !histogram[top]) top--;
    printf("sent=%lu received=%lu lost_ppm=%.0f p50_us=%u p99_us=%u max_us=%u\n", sent, received, sent ? 1e6 * (double)(sent > received ? sent - received : 0) / (double)sent : 0.0,
           percentile(received, 0.5), percentile(received, 0.99), top);
    return 0;
}
