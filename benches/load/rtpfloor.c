/* The least that a relay in user space can do, as the measure of this machine: one thread that waits in epoll, receives a
 * packet and sends it on through the partner's connected socket. It looks at nothing.
 *
 *   rtpfloor FIRST_PORT < lines of `NEAR_PORT FAR_PORT`
 *
 * Line n is a call between two phones on the loopback: what comes to FIRST_PORT + 4n leaves from FIRST_PORT + 4n + 2
 * towards FAR_PORT, and the other way round. Prints `ready` when all are bound; ends by a signal.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { LEGS = 20000, EVENTS = 256 };
static int sockets[LEGS];

static struct sockaddr_in loopback(int port) {
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int leg(int port, int phone) {
    struct sockaddr_in me = loopback(port), to = loopback(phone);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&me, sizeof me) || connect(fd, (struct sockaddr *)&to, sizeof to)) {
        fprintf(stderr, "rtpfloor: port %d: %s\n", port, strerror(errno));
        exit(2);
    }
    return fd;
}

int main(int argc, char **argv) {
    int first = argc == 2 ? atoi(argv[1]) : 0, legs = 0, near, far, epoll = epoll_create1(0);
    if (!first || epoll < 0) {
        fprintf(stderr, "usage: rtpfloor FIRST_PORT < lines of NEAR_PORT FAR_PORT\n");
        return 2;
    }
    while (legs < LEGS && scanf("%d %d", &near, &far) == 2) {
        sockets[legs] = leg(first + 2 * legs, near);
        sockets[legs + 1] = leg(first + 2 * legs + 2, far);
        for (int end = legs + 2; legs < end; legs++) {
            struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)legs};
            if (epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[legs], &event))
                return perror("rtpfloor"), 2;
        }
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        char packet[2048];
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int n = 0; n < ready; n++) {
            uint32_t from = events[n].data.u32;
            ssize_t length = recv(sockets[from], packet, sizeof packet, 0);
            if (length > 0 && send(sockets[from ^ 1], packet, (size_t)length, 0) < 0 && errno != ECONNREFUSED)
                perror("rtpfloor");
        }
    }
}
