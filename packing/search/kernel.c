/* The inner loops of the search: annealing, filling, exact search, and the configuration LP.
 *
 * Called through kernel.py, which checks every shape and range before; arrays are row-major and
 * container-major: counts[c * classes + u]. Nothing here is kept between calls, and the only
 * randomness is the seed that comes in.
 */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

enum { DONE = 0, NO_MEMORY = 1, NOT_FEASIBLE = 2, LIMIT_REACHED = 3 };

typedef struct {
    int32_t classes, containers, dims, loads, components;
    const double *traffic;       /* classes x classes */
    const int32_t *supply;       /* classes */
    const double *needs;         /* classes x dims */
    const double *capacity;      /* containers x dims */
    const int32_t *most;         /* containers */
    const double *load;          /* classes x loads */
    const int32_t *component_of; /* classes */
    const uint8_t *spread;       /* components, or NULL */
    const int32_t *home;         /* containers x classes, or NULL */
    const double *move_price;    /* classes, or NULL */
    double local_weight;
    const double *load_cap;      /* containers x loads */
    const double *penalty;       /* loads */
} Problem;

/* ---- random numbers: splitmix64 (Steele, Lea, Flood 2014) ---- */

static inline uint64_t next_random(uint64_t *state) {
    uint64_t z = (*state += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

/* A number below `range`, from 32 random bits (Lemire's multiplication, without its rejection). */
static inline int32_t below(uint32_t bits, int32_t range) {
    return (int32_t)(((uint64_t)bits * (uint64_t)(uint32_t)range) >> 32);
}

/* ---- a state and what follows from it ---- */

typedef struct {
    const Problem *p;
    int32_t *counts;   /* containers x classes */
    double *pull;      /* containers x classes: traffic @ counts */
    double *used;      /* containers x dims */
    double *burden;    /* containers x loads */
    int32_t *held;     /* containers */
    int32_t *inside;   /* containers x components, where components are to be spread */
    int32_t *occupied; /* components: containers that hold some */
} State;

static void *zeros(int64_t count, size_t size) {
    return calloc((size_t)(count > 0 ? count : 1), size);
}

static void state_free(State *s) {
    free(s->counts);
    free(s->pull);
    free(s->used);
    free(s->burden);
    free(s->held);
    free(s->inside);
    free(s->occupied);
}

static void put(State *s, int32_t c, int32_t u, int32_t sign) {
    const Problem *p = s->p;
    const int32_t k = p->classes, d = p->dims, l = p->loads;
    s->counts[(int64_t)c * k + u] += sign;
    s->held[c] += sign;
    double *pull = s->pull + (int64_t)c * k;
    const double *row = p->traffic + (int64_t)u * k;
    for (int32_t v = 0; v < k; v++) pull[v] += sign * row[v];
    for (int32_t i = 0; i < d; i++) s->used[(int64_t)c * d + i] += sign * p->needs[u * d + i];
    for (int32_t i = 0; i < l; i++) s->burden[(int64_t)c * l + i] += sign * p->load[u * l + i];
    if (p->spread) {
        const int32_t component = p->component_of[u];
        int32_t *in = &s->inside[(int64_t)c * p->components + component];
        const int32_t before = *in;
        *in += sign;
        if (before == 0) s->occupied[component]++;
        if (*in == 0) s->occupied[component]--;
    }
}

/* Sums of a container from its counts, so that no rounding of earlier steps is left in them. */
static void recount(State *s, int32_t c) {
    const Problem *p = s->p;
    const int32_t k = p->classes, d = p->dims, l = p->loads;
    double *pull = s->pull + (int64_t)c * k;
    memset(pull, 0, sizeof(double) * (size_t)k);
    for (int32_t i = 0; i < d; i++) s->used[(int64_t)c * d + i] = 0.0;
    for (int32_t i = 0; i < l; i++) s->burden[(int64_t)c * l + i] = 0.0;
    for (int32_t u = 0; u < k; u++) {
        const int32_t x = s->counts[(int64_t)c * k + u];
        if (!x) continue;
        const double *row = p->traffic + (int64_t)u * k;
        for (int32_t v = 0; v < k; v++) pull[v] += x * row[v];
        for (int32_t i = 0; i < d; i++) s->used[(int64_t)c * d + i] += x * p->needs[u * d + i];
        for (int32_t i = 0; i < l; i++) s->burden[(int64_t)c * l + i] += x * p->load[u * l + i];
    }
}

static int state_make(State *s, const Problem *p, const int32_t *counts) {
    const int64_t k = p->classes, c = p->containers;
    memset(s, 0, sizeof *s);
    s->p = p;
    s->counts = zeros(c * k, sizeof(int32_t));
    s->pull = zeros(c * k, sizeof(double));
    s->used = zeros(c * p->dims, sizeof(double));
    s->burden = zeros(c * p->loads, sizeof(double));
    s->held = zeros(c, sizeof(int32_t));
    s->occupied = zeros(p->components, sizeof(int32_t));
    s->inside = zeros(p->spread ? c * p->components : 1, sizeof(int32_t));
    if (!s->counts || !s->pull || !s->used || !s->burden || !s->held || !s->occupied ||
        !s->inside) {
        state_free(s);
        return 0;
    }
    if (!counts) return 1;
    memcpy(s->counts, counts, sizeof(int32_t) * (size_t)(c * k));
    for (int32_t at = 0; at < c; at++) {
        for (int32_t u = 0; u < k; u++) {
            const int32_t x = counts[at * k + u];
            s->held[at] += x;
            if (p->spread && x) {
                int32_t *in = &s->inside[(int64_t)at * p->components + p->component_of[u]];
                if (!*in) s->occupied[p->component_of[u]]++;
                *in += x;
            }
        }
        recount(s, at);
    }
    return 1;
}

static inline int within(const State *s, int32_t c) {
    const Problem *p = s->p;
    for (int32_t i = 0; i < p->dims; i++)
        if (s->used[(int64_t)c * p->dims + i] > p->capacity[(int64_t)c * p->dims + i]) return 0;
    return s->held[c] <= p->most[c];
}

static int has_room(const State *s, int32_t c, int32_t u) {
    const Problem *p = s->p;
    if (s->held[c] >= p->most[c]) return 0;
    for (int32_t i = 0; i < p->dims; i++)
        if (s->used[(int64_t)c * p->dims + i] + p->needs[u * p->dims + i] >
            p->capacity[(int64_t)c * p->dims + i])
            return 0;
    return 1;
}

static inline double over(const Problem *p, int32_t c, int32_t i, double burden) {
    const double beyond = burden - p->load_cap[(int64_t)c * p->loads + i];
    return beyond > 0 ? p->penalty[i] * beyond * beyond : 0.0;
}

/* What a container adds to the objective. */
static double worth(const State *s, int32_t c) {
    const Problem *p = s->p;
    const int64_t k = p->classes;
    double local = 0.0, found = 0.0;
    for (int32_t u = 0; u < k; u++)
        if (s->counts[c * k + u]) local += s->counts[c * k + u] * s->pull[c * k + u];
    found = p->local_weight * local / 2;
    for (int32_t i = 0; i < p->loads; i++)
        found -= over(p, c, i, s->burden[(int64_t)c * p->loads + i]);
    if (p->home)
        for (int32_t u = 0; u < k; u++) {
            const int32_t away = p->home[c * k + u] - s->counts[c * k + u];
            if (away > 0) found -= p->move_price[u] * away;
        }
    return found;
}

static double total_worth(const State *s) {
    double found = 0.0;
    for (int32_t c = 0; c < s->p->containers; c++) found += worth(s, c);
    return found;
}

/* The objective of a state; nothing is assumed of its feasibility. */
EXPORT int value_of(const Problem *p, const int32_t *counts, double *value) {
    State s;
    if (!state_make(&s, p, counts)) return NO_MEMORY;
    *value = total_worth(&s);
    state_free(&s);
    return DONE;
}

/* ---- annealing ---- */

/* Gain of replacing u by v in container c; u or v may be -1 for nothing. */
static inline double exchange_gain(const State *s, int32_t c, int32_t u, int32_t v) {
    const Problem *p = s->p;
    const int64_t k = p->classes;
    const double *pull = s->pull + c * k;
    double gain = 0.0;
    if (u >= 0) gain += p->traffic[u * k + u] / 2 - pull[u];
    if (v >= 0) gain += p->traffic[v * k + v] / 2 + pull[v];
    if (u >= 0 && v >= 0) gain -= p->traffic[u * k + v];
    gain *= p->local_weight;
    for (int32_t i = 0; i < p->loads; i++) {
        if (p->penalty[i] == 0.0) continue;
        const double before = s->burden[(int64_t)c * p->loads + i];
        double after = before;
        if (u >= 0) after -= p->load[u * p->loads + i];
        if (v >= 0) after += p->load[v * p->loads + i];
        gain += over(p, c, i, before) - over(p, c, i, after);
    }
    if (p->home) {
        if (u >= 0 && s->counts[c * k + u] <= p->home[c * k + u]) gain -= p->move_price[u];
        if (v >= 0 && s->counts[c * k + v] < p->home[c * k + v]) gain += p->move_price[v];
    }
    return gain;
}

/* Whether container c keeps within its capacity when u (or nothing) is replaced by v. */
static inline int exchange_fits(const State *s, int32_t c, int32_t u, int32_t v) {
    const Problem *p = s->p;
    const int32_t d = p->dims;
    if (u < 0 && s->held[c] >= p->most[c]) return 0;
    for (int32_t i = 0; i < d; i++) {
        const double in = p->needs[v * d + i];
        const double out = u < 0 ? 0.0 : p->needs[u * d + i];
        /* The sum is formed as the instances would be added up, to the last bit where amounts are
         * whole numbers. */
        if (in > out && s->used[(int64_t)c * d + i] - out + in > p->capacity[(int64_t)c * d + i])
            return 0;
    }
    return 1;
}

/* Gain of container c when one of u leaves (sign -1) or enters (1) and one each of v and w go the
 * other way. */
static double trade_gain(const State *s, int32_t c, int32_t u, int32_t v, int32_t w, int32_t sign) {
    const Problem *p = s->p;
    const int64_t k = p->classes;
    const double *q = p->traffic, *pull = s->pull + c * k;
    double gain = (q[u * k + u] + q[v * k + v] + q[w * k + w]) / 2 - q[u * k + v] - q[u * k + w] +
                  q[v * k + w] + sign * (pull[u] - pull[v] - pull[w]);
    gain *= p->local_weight;
    for (int32_t i = 0; i < p->loads; i++) {
        if (p->penalty[i] == 0.0) continue;
        const int32_t l = p->loads;
        const double before = s->burden[(int64_t)c * l + i];
        const double after =
            before + sign * (p->load[u * l + i] - p->load[v * l + i] - p->load[w * l + i]);
        gain += over(p, c, i, before) - over(p, c, i, after);
    }
    if (p->home) {
        const int32_t which[3] = {u, v, w}, by[3] = {sign, v == w ? -2 * sign : -sign, -sign};
        for (int32_t i = 0; i < (v == w ? 2 : 3); i++) {
            const int32_t away = p->home[c * k + which[i]] - s->counts[c * k + which[i]];
            const int32_t then = away - by[i];
            gain += p->move_price[which[i]] * ((away > 0 ? away : 0) - (then > 0 ? then : 0));
        }
    }
    return gain;
}

static inline int trade_fits(const State *s, int32_t c, int32_t u, int32_t v, int32_t w,
                             int32_t sign) {
    const Problem *p = s->p;
    const int32_t d = p->dims;
    if (s->held[c] - sign > p->most[c] || s->held[c] - sign < 1) return 0;
    for (int32_t i = 0; i < d; i++) {
        const double pair = p->needs[v * d + i] + p->needs[w * d + i], one = p->needs[u * d + i];
        const double in = sign > 0 ? one : pair, out = sign > 0 ? pair : one;
        if (in > out && s->used[(int64_t)c * d + i] - out + in > p->capacity[(int64_t)c * d + i])
            return 0;
    }
    return 1;
}

/* Containers that hold some of u's component after u left a for b, and v's after b for a. */
static inline int stays_spread(const State *s, int32_t a, int32_t b, int32_t u, int32_t v) {
    const Problem *p = s->p;
    const int32_t from[2] = {a, b}, to[2] = {b, a}, which[2] = {u, v};
    if (v >= 0 && p->component_of[u] == p->component_of[v]) return 1;
    for (int32_t i = 0; i < 2; i++) {
        if (which[i] < 0) continue;
        const int32_t of = p->component_of[which[i]];
        if (!p->spread[of]) continue;
        const int32_t left = s->inside[(int64_t)from[i] * p->components + of] == 1;
        const int32_t entered = s->inside[(int64_t)to[i] * p->components + of] == 0;
        const int32_t after = s->occupied[of] - left + entered;
        if (after < 2 && after < s->occupied[of]) return 0;
    }
    return 1;
}

/* Which classes each container holds, and which containers hold each class, as lists that a random
 * entry can be taken of. */
typedef struct {
    int32_t classes, containers;
    int32_t *of_container, *container_count, *place_in_container; /* containers x classes */
    int32_t *of_class, *class_count, *place_in_class;             /* classes x containers */
} Members;

static void members_free(Members *m) {
    free(m->of_container);
    free(m->container_count);
    free(m->place_in_container);
    free(m->of_class);
    free(m->class_count);
    free(m->place_in_class);
}

static void enter(Members *m, int32_t c, int32_t u) {
    const int64_t k = m->classes, n = m->containers;
    m->place_in_container[c * k + u] = m->container_count[c];
    m->of_container[c * k + m->container_count[c]++] = u;
    m->place_in_class[u * n + c] = m->class_count[u];
    m->of_class[u * n + m->class_count[u]++] = c;
}

static void leave(Members *m, int32_t c, int32_t u) {
    const int64_t k = m->classes, n = m->containers;
    const int32_t at = m->place_in_container[c * k + u];
    const int32_t last = m->of_container[c * k + --m->container_count[c]];
    m->of_container[c * k + at] = last;
    m->place_in_container[c * k + last] = at;
    const int32_t from = m->place_in_class[u * n + c];
    const int32_t end = m->of_class[u * n + --m->class_count[u]];
    m->of_class[u * n + from] = end;
    m->place_in_class[u * n + end] = from;
}

static int members_make(Members *m, const State *s, const int32_t *active, int32_t active_count) {
    const int64_t k = s->p->classes, n = s->p->containers;
    m->classes = (int32_t)k;
    m->containers = (int32_t)n;
    m->of_container = zeros(n * k, sizeof(int32_t));
    m->container_count = zeros(n, sizeof(int32_t));
    m->place_in_container = zeros(n * k, sizeof(int32_t));
    m->of_class = zeros(n * k, sizeof(int32_t));
    m->class_count = zeros(k, sizeof(int32_t));
    m->place_in_class = zeros(n * k, sizeof(int32_t));
    if (!m->of_container || !m->container_count || !m->place_in_container || !m->of_class ||
        !m->class_count || !m->place_in_class)
        return 0;
    for (int32_t i = 0; i < active_count; i++)
        for (int32_t u = 0; u < k; u++)
            if (s->counts[active[i] * k + u]) enter(m, active[i], u);
    return 1;
}

/* One instance of u more or less in container c, in everything but the sums that `resum` makes. */
static inline void shift(State *s, Members *m, int32_t c, int32_t u, int32_t sign) {
    const Problem *p = s->p;
    const int64_t k = p->classes;
    int32_t *count = &s->counts[c * k + u];
    if (sign > 0 && *count == 0) enter(m, c, u);
    *count += sign;
    if (*count == 0) leave(m, c, u);
    s->held[c] += sign;
    double *pull = s->pull + c * k;
    const double *row = p->traffic + u * k;
    if (sign > 0)
        for (int32_t v = 0; v < k; v++) pull[v] += row[v];
    else
        for (int32_t v = 0; v < k; v++) pull[v] -= row[v];
    if (p->spread) {
        const int32_t component = p->component_of[u];
        int32_t *in = &s->inside[(int64_t)c * p->components + component];
        if (*in == 0) s->occupied[component]++;
        *in += sign;
        if (*in == 0) s->occupied[component]--;
    }
}

/* Sums against limits are made anew, so that no rounding of earlier steps is left in them. */
static inline void resum(State *s, const Members *m, int32_t c) {
    const Problem *p = s->p;
    const int32_t d = p->dims, l = p->loads;
    const int64_t k = p->classes;
    double *used = s->used + (int64_t)c * d, *burden = s->burden + (int64_t)c * l;
    for (int32_t i = 0; i < d; i++) used[i] = 0.0;
    for (int32_t i = 0; i < l; i++) burden[i] = 0.0;
    for (int32_t x = 0; x < m->container_count[c]; x++) {
        const int32_t u = m->of_container[c * k + x];
        const double count = s->counts[c * k + u];
        for (int32_t i = 0; i < d; i++) used[i] += count * p->needs[u * d + i];
        for (int32_t i = 0; i < l; i++) burden[i] += count * p->load[u * l + i];
    }
}

/* Improve `counts` in place, exchanging instances between the `active` containers.
 *
 * A step takes an instance of a random container to another one, in exchange for one there or for
 * nothing. Every second time the other container is one that holds a class it talks to.
 * Temperatures fall geometrically from `hot` to `cold`, in units of the objective. Stops early when
 * the objective reaches `target`. Leaves the best state met in `counts` and its objective in
 * `value`. The start must be feasible. */
EXPORT int anneal(const Problem *p, int32_t *counts, const int32_t *active, int32_t active_count,
                  int64_t steps, double hot, double cold, double target, uint64_t seed,
                  double *value) {
    State s;
    if (!state_make(&s, p, counts)) return NO_MEMORY;
    int status = DONE;
    const int64_t k = p->classes;
    for (int32_t c = 0; c < p->containers; c++)
        if (!within(&s, c) || s.held[c] < 1) status = NOT_FEASIBLE;
    Members m;
    memset(&m, 0, sizeof m);
    int32_t *changed = zeros(p->containers, sizeof(int32_t));
    int32_t *friends = zeros(k * k, sizeof(int32_t)), *friend_count = zeros(k, sizeof(int32_t));
    uint8_t *is_changed = zeros(p->containers, 1);
    if (!members_make(&m, &s, active, active_count) || !changed || !friends || !friend_count ||
        !is_changed)
        status = NO_MEMORY;
    if (status == DONE && active_count > 1) {
        for (int32_t u = 0; u < k; u++)
            for (int32_t v = 0; v < k; v++)
                if (p->traffic[u * k + v] > 0) friends[u * k + friend_count[u]++] = v;
        int32_t changed_count = 0;
        const int32_t trades = !p->spread && p->dims > 0 && k > 1;
        uint64_t random = seed;
        double now = total_worth(&s), best_value = now, temperature = hot;
        /* The temperature is set anew every so many steps. */
        const int64_t every = 64;
        const double rounds = (double)(steps / every > 0 ? steps / every : 1);
        const double cooling = hot > 0 ? pow(cold / hot, 1.0 / rounds) : 1.0;
        for (int64_t step = 0; step < steps && best_value < target; step++) {
            if (step % every == 0 && step) temperature *= cooling;
            const uint64_t bits = next_random(&random), more = next_random(&random);
            const int32_t a = active[below((uint32_t)bits, active_count)];
            const int32_t u =
                m.of_container[a * k + below((uint32_t)(more >> 40) << 8, m.container_count[a])];
            int32_t b;
            if ((bits & (1ULL << 32)) && friend_count[u] > 0) {
                const int32_t v =
                    friends[u * k + below((uint32_t)(bits >> 33) << 1, friend_count[u])];
                if (!m.class_count[v]) continue;
                b = m.of_class[v * (int64_t)p->containers +
                               below((uint32_t)(more >> 8), m.class_count[v])];
            } else {
                b = active[below((uint32_t)(bits >> 33) << 1, active_count)];
            }
            if (a == b) continue;
            const int32_t choices = m.container_count[b];
            const uint64_t rest = next_random(&random);
            /* One choice more: nothing comes back. */
            const int32_t choice = below((uint32_t)rest, choices + 1);
            const int32_t v = choice < choices ? m.of_container[b * k + choice] : -1;
            if (v == u || (v < 0 && s.held[a] < 2)) continue;
            /* In every fourth exchange two come back. */
            int32_t w = -1;
            if (v >= 0 && trades && (more & 3) == 0) {
                w = m.of_container[b * k + below((uint32_t)(more & 0xFC) << 24, choices)];
                if (w == u || (w == v && s.counts[b * k + v] < 2)) continue;
            }
            const double gain =
                w < 0 ? exchange_gain(&s, a, u, v) + exchange_gain(&s, b, v, u)
                      : trade_gain(&s, a, u, v, w, -1) + trade_gain(&s, b, u, v, w, 1);
            if (gain < 0) {
                if (gain < -16.0 * temperature) continue;
                const double chance = ((double)(rest >> 32) + 0.5) * 0x1.0p-32;
                if (gain < temperature * log(chance)) continue;
            }
            if (w < 0) {
                if (v >= 0 && !exchange_fits(&s, a, u, v)) continue;
                if (!exchange_fits(&s, b, v, u)) continue;
            } else if (!trade_fits(&s, a, u, v, w, -1) || !trade_fits(&s, b, u, v, w, 1)) {
                continue;
            }
            if (p->spread && !stays_spread(&s, a, b, u, v)) continue;
            shift(&s, &m, a, u, -1);
            shift(&s, &m, b, u, 1);
            if (v >= 0) {
                shift(&s, &m, b, v, -1);
                shift(&s, &m, a, v, 1);
            }
            if (w >= 0) {
                shift(&s, &m, b, w, -1);
                shift(&s, &m, a, w, 1);
            }
            resum(&s, &m, a);
            resum(&s, &m, b);
            now += gain;
            if (!is_changed[a]) is_changed[a] = 1, changed[changed_count++] = a;
            if (!is_changed[b]) is_changed[b] = 1, changed[changed_count++] = b;
            if (now > best_value + 1e-12 * fabs(best_value)) {
                best_value = now;
                for (int32_t x = 0; x < changed_count; x++) {
                    const int64_t c = changed[x];
                    memcpy(counts + c * k, s.counts + c * k, sizeof(int32_t) * (size_t)k);
                    is_changed[c] = 0;
                }
                changed_count = 0;
            }
        }
    }
    state_free(&s);
    members_free(&m);
    free(changed);
    free(friends);
    free(friend_count);
    free(is_changed);
    if (status != DONE) return status;
    return value_of(p, counts, value);
}

/* ---- filling ---- */

enum { FIRST_FIT = 0, LEAST_LOADED = 1, MOST_ATTRACTED = 2, TIGHTEST = 3 };

/* Containers with the one to be filled next on top: highest score, then tie, then first. */
typedef struct {
    int32_t *at;
    int32_t count;
    double *score, *tie; /* by container */
} Heap;

static inline int comes_first(const Heap *h, int32_t a, int32_t b) {
    if (h->score[a] != h->score[b]) return h->score[a] > h->score[b];
    if (h->tie[a] != h->tie[b]) return h->tie[a] > h->tie[b];
    return a < b;
}

static void sink(Heap *h, int32_t i) {
    const int32_t moved = h->at[i];
    for (;;) {
        int32_t child = 2 * i + 1;
        if (child >= h->count) break;
        if (child + 1 < h->count && comes_first(h, h->at[child + 1], h->at[child])) child++;
        if (!comes_first(h, h->at[child], moved)) break;
        h->at[i] = h->at[child];
        i = child;
    }
    h->at[i] = moved;
}

/* How much container c is to be preferred for an instance of u. */
static void prefer(const State *s, int32_t c, int32_t u, int32_t rule, const double *weight,
                   double *score, double *tie) {
    const Problem *p = s->p;
    *score = *tie = 0.0;
    if (rule == LEAST_LOADED || rule == MOST_ATTRACTED) {
        double worst = 0.0;
        for (int32_t i = 0; i < p->loads; i++) {
            const double share =
                weight[i] * (s->burden[(int64_t)c * p->loads + i] + p->load[u * p->loads + i]);
            if (share > worst) worst = share;
        }
        *score = rule == LEAST_LOADED ? -worst : s->pull[(int64_t)c * p->classes + u];
        *tie = rule == LEAST_LOADED ? -(double)s->held[c] : -worst;
    } else if (rule == TIGHTEST) {
        double left = INFINITY;
        for (int32_t i = 0; i < p->dims; i++) {
            const double has = p->capacity[(int64_t)c * p->dims + i];
            if (isinf(has) || has <= 0) continue;
            const double share = (has - s->used[(int64_t)c * p->dims + i]) / has;
            if (share < left) left = share;
        }
        *score = isinf(left) ? (double)s->held[c] : -left;
    }
}

/* Place `amount` instances of each class, entry by entry of `order`: all that are left of a class,
 * or with `one_each` one per entry.
 *
 * Rules: the first container with room; the one with the least load, weighed by `weight` per soft
 * dimension and judged by the worst; the one that keeps most traffic, least loaded among equals;
 * the one where the scarcest hard dimension is left with least. What found no room stays in
 * `amount`. */
EXPORT int fill(const Problem *p, int32_t *counts, int32_t *amount, const int32_t *order,
                int32_t order_count, int32_t one_each, int32_t rule, const double *weight) {
    State s;
    if (!state_make(&s, p, counts)) return NO_MEMORY;
    Heap h = {zeros(p->containers, sizeof(int32_t)), 0, zeros(p->containers, sizeof(double)),
              zeros(p->containers, sizeof(double))};
    int status = NO_MEMORY;
    if (h.at && h.score && h.tie) {
        status = DONE;
        for (int32_t o = 0; o < order_count; o++) {
            const int32_t u = order[o];
            if (amount[u] <= 0) continue;
            h.count = 0;
            for (int32_t c = 0; c < p->containers; c++) {
                if (!has_room(&s, c, u)) continue;
                prefer(&s, c, u, rule, weight, &h.score[c], &h.tie[c]);
                h.at[h.count++] = c;
            }
            for (int32_t i = h.count / 2 - 1; i >= 0; i--) sink(&h, i);
            while (amount[u] > 0 && h.count > 0) {
                const int32_t c = h.at[0];
                put(&s, c, u, 1);
                amount[u]--;
                if (one_each) break;
                if (has_room(&s, c, u))
                    prefer(&s, c, u, rule, weight, &h.score[c], &h.tie[c]);
                else
                    h.at[0] = h.at[--h.count];
                if (h.count > 0) sink(&h, 0);
            }
        }
        memcpy(counts, s.counts,
               sizeof(int32_t) * (size_t)p->containers * (size_t)p->classes);
    }
    state_free(&s);
    free(h.at);
    free(h.score);
    free(h.tie);
    return status;
}

/* ---- exact search of small problems ---- */

enum { MOST_ITEMS = 32 };

typedef struct {
    State s;
    int32_t n;
    int32_t what[MOST_ITEMS];
    int32_t where[MOST_ITEMS];
    int32_t best[MOST_ITEMS];
    double tail[MOST_ITEMS + 1]; /* traffic that pairs among items from here on could keep */
    double self[MOST_ITEMS + 1]; /* and their own */
    double best_value;
    int64_t nodes;
    int32_t uniform;
} Exact;

static void exact_step(Exact *e, int32_t at, int32_t opened, double local, double lost) {
    const Problem *p = e->s.p;
    const int64_t k = p->classes;
    if (e->nodes <= 0) return;
    e->nodes--;
    /* Containers that are still empty need one each. */
    int32_t empty = 0;
    for (int32_t c = 0; c < p->containers; c++) empty += e->s.held[c] == 0;
    if (empty > e->n - at) return;
    if (at == e->n) {
        if (p->spread)
            for (int32_t u = 0; u < k; u++) {
                const int32_t of = p->component_of[u];
                int32_t held = 0;
                for (int32_t v = 0; v < k; v++)
                    if (p->component_of[v] == of) held += p->supply[v];
                if (p->spread[of] && held > 1 && e->s.occupied[of] < 2) return;
            }
        const double value = total_worth(&e->s);
        if (value > e->best_value) {
            e->best_value = value;
            memcpy(e->best, e->where, sizeof e->best);
        }
        return;
    }
    double possible = local + e->tail[at] + e->self[at];
    for (int32_t i = at; i < e->n;) {
        const int32_t u = e->what[i];
        int32_t same = 0;
        while (i < e->n && e->what[i] == u) i++, same++;
        double most = 0.0;
        for (int32_t c = 0; c < p->containers; c++)
            if (e->s.pull[c * k + u] > most && e->s.held[c] < p->most[c]) most = e->s.pull[c * k + u];
        possible += same * most;
    }
    const double bound = p->local_weight * possible - lost;
    if (bound <= e->best_value + 1e-12 * fabs(e->best_value)) return;
    const int32_t u = e->what[at];
    int32_t first = 0, last = p->containers - 1;
    if (at && e->what[at - 1] == u) first = e->where[at - 1];
    if (e->uniform && opened < last) last = opened;
    for (int32_t c = first; c <= last; c++) {
        if (!has_room(&e->s, c, u)) continue;
        const double kept = e->s.pull[c * k + u] + p->traffic[u * k + u] / 2;
        double more = 0.0;
        for (int32_t i = 0; i < p->loads; i++) {
            const double before = e->s.burden[(int64_t)c * p->loads + i];
            more += over(p, c, i, before + p->load[u * p->loads + i]) - over(p, c, i, before);
        }
        put(&e->s, c, u, 1);
        e->where[at] = c;
        exact_step(e, at + 1, c == opened ? opened + 1 : opened, local + kept, lost + more);
        put(&e->s, c, u, -1);
        recount(&e->s, c);
    }
}

/* The best of all feasible states; LIMIT_REACHED when `nodes` did not suffice to look at all.
 *
 * Branch and bound over instances in the order of their classes. Alike containers are opened in
 * order, and alike instances go to containers in order: sorting the columns of any matrix of counts
 * gives one that keeps both. `counts` is overwritten when better than `value`, which is NAN
 * without a state to begin with. Traffic must not be negative. */
EXPORT int exact(const Problem *p, int32_t *counts, int32_t uniform, int64_t nodes,
                 double *value) {
    Exact e;
    memset(&e, 0, sizeof e);
    const int64_t k = p->classes;
    for (int32_t u = 0; u < k; u++)
        for (int32_t x = 0; x < p->supply[u]; x++) {
            if (e.n == MOST_ITEMS) return LIMIT_REACHED;
            e.what[e.n++] = u;
        }
    if (!state_make(&e.s, p, NULL)) return NO_MEMORY;
    int32_t partners = 1;
    for (int32_t c = 0; c < p->containers; c++)
        if (p->most[c] > partners) partners = p->most[c];
    for (int32_t at = e.n - 1; at >= 0; at--) {
        e.self[at] = e.self[at + 1] + p->traffic[e.what[at] * k + e.what[at]] / 2;
        double total = 0.0;
        for (int32_t i = at; i < e.n; i++) {
            /* The partners of i with which it exchanges most. */
            double rows[MOST_ITEMS];
            int32_t count = 0;
            for (int32_t j = at; j < e.n; j++) {
                if (j == i) continue;
                const double with = p->traffic[e.what[i] * k + e.what[j]];
                int32_t x = count++;
                while (x > 0 && rows[x - 1] < with) rows[x] = rows[x - 1], x--;
                rows[x] = with;
            }
            for (int32_t x = 0; x < count && x < partners - 1; x++) total += rows[x];
        }
        e.tail[at] = total / 2;
    }
    const double start = isnan(*value) ? -INFINITY : *value;
    e.best_value = start;
    e.nodes = nodes;
    e.uniform = uniform;
    exact_step(&e, 0, 0, 0.0, 0.0);
    if (e.best_value > start) {
        memset(counts, 0, sizeof(int32_t) * (size_t)(p->containers * k));
        for (int32_t i = 0; i < e.n; i++) counts[e.best[i] * k + e.what[i]]++;
        *value = e.best_value;
    }
    state_free(&e.s);
    return e.nodes > 0 ? DONE : LIMIT_REACHED;
}

/* ---- the content of one container that is worth most at given prices ---- */

typedef struct {
    const Problem *p;
    const double *price; /* of one instance of each class */
    const double *ceiling; /* see ceilings() */
    int32_t slots;         /* most instances, and the width of `ceiling` */
    double *unit;          /* classes: what one more of each could add at most */
    int32_t *fit;          /* classes: how many more there could be of each */
    int32_t *x, *best;
    double *pull, *used;
    double best_value;
    int64_t nodes;
} Pricing;

static double content_value(const Problem *p, const double *price, const int32_t *x) {
    const int64_t k = p->classes;
    double found = 0.0;
    for (int32_t u = 0; u < k; u++) {
        if (!x[u]) continue;
        double pull = 0.0;
        for (int32_t v = 0; v < k; v++) pull += x[v] * p->traffic[u * k + v];
        found += x[u] * (pull / 2 - price[u]);
    }
    return found;
}

static inline int content_fits(const Problem *p, const double *used, int32_t out, int32_t in) {
    for (int32_t i = 0; i < p->dims; i++) {
        double after = used[i] + p->needs[in * p->dims + i];
        if (out >= 0) after -= p->needs[out * p->dims + i];
        if (after > p->capacity[i]) return 0;
    }
    return 1;
}

static inline void content_add(const Problem *p, int32_t *x, double *pull, double *used, int32_t u,
                               int32_t sign) {
    const int64_t k = p->classes;
    x[u] += sign;
    for (int32_t v = 0; v < k; v++) pull[v] += sign * p->traffic[u * k + v];
    for (int32_t i = 0; i < p->dims; i++) used[i] += sign * p->needs[u * p->dims + i];
}

/* From up to `times` of `seed`, and one of `other` or with several of `seed` as many as fit: add what gains most until nothing
 * fits, then exchange one for one, add or take away while that gains. The best content on the way
 * is left in x. `other` is -1 for none. */
static double content_from(const Problem *p, const double *price, const int32_t *limit,
                           int32_t seed, int32_t times, int32_t other, int32_t *x, int32_t *best,
                           double *pull, double *used) {
    const int32_t k = p->classes;
    memset(x, 0, sizeof(int32_t) * (size_t)k);
    memset(pull, 0, sizeof(double) * (size_t)k);
    memset(used, 0, sizeof(double) * (size_t)p->dims);
    if (limit[seed] < 1 || !content_fits(p, used, -1, seed)) return -INFINITY;
    int32_t held = 0;
    for (int32_t side = 0; side < 2; side++) {
        const int32_t u = side ? other : seed;
        const int32_t most = !side ? times : times > 1 ? p->most[0] - held : 1;
        for (int32_t i = 0; u >= 0 && i < most && held < p->most[0]; i++) {
            if (x[u] >= limit[u] || !content_fits(p, used, -1, u)) break;
            content_add(p, x, pull, used, u, 1);
            held++;
        }
    }
    double value = content_value(p, price, x);
    double best_value = value;
    memcpy(best, x, sizeof(int32_t) * (size_t)k);
    for (;;) {
        int32_t chosen = -1;
        double most = -INFINITY;
        if (held < p->most[0])
            for (int32_t u = 0; u < k; u++) {
                if (x[u] >= limit[u] || !content_fits(p, used, -1, u)) continue;
                const double gain = pull[u] + p->traffic[(int64_t)u * k + u] / 2 - price[u];
                if (gain > most) most = gain, chosen = u;
            }
        if (chosen < 0) break;
        value += pull[chosen] + p->traffic[(int64_t)chosen * k + chosen] / 2 - price[chosen];
        content_add(p, x, pull, used, chosen, 1);
        held++;
        if (value > best_value) {
            best_value = value;
            memcpy(best, x, sizeof(int32_t) * (size_t)k);
        }
    }
    for (int32_t round = 0; round < 64; round++) {
        int32_t out = -1, in = -1;
        double most = 1e-9 * (fabs(value) + 1e-300);
        for (int32_t u = 0; u < k; u++) {
            if (!x[u]) continue;
            const double left = p->traffic[(int64_t)u * k + u] / 2 - pull[u] + price[u];
            if (held > 1 && left > most) most = left, out = u, in = -1;
            for (int32_t v = 0; v < k; v++) {
                if (v == u || x[v] >= limit[v]) continue;
                const double gain = left + pull[v] + p->traffic[(int64_t)v * k + v] / 2 -
                                    p->traffic[(int64_t)u * k + v] - price[v];
                if (gain > most && content_fits(p, used, u, v)) most = gain, out = u, in = v;
            }
        }
        for (int32_t v = 0; v < k && held < p->most[0]; v++) {
            if (x[v] >= limit[v]) continue;
            const double gain = pull[v] + p->traffic[(int64_t)v * k + v] / 2 - price[v];
            if (gain > most && content_fits(p, used, -1, v)) most = gain, out = -1, in = v;
        }
        if (out < 0 && in < 0) break;
        if (out >= 0) content_add(p, x, pull, used, out, -1), held--;
        if (in >= 0) content_add(p, x, pull, used, in, 1), held++;
        value += most;
        if (value > best_value) {
            best_value = value;
            memcpy(best, x, sizeof(int32_t) * (size_t)k);
        }
    }
    memcpy(x, best, sizeof(int32_t) * (size_t)k);
    return content_value(p, price, x);
}

static int32_t copies_that_fit(const Pricing *s, int32_t u, int32_t slots) {
    const Problem *p = s->p;
    int32_t most = p->supply[u] - s->x[u] < slots ? p->supply[u] - s->x[u] : slots;
    for (int32_t i = 0; i < p->dims; i++) {
        const double need = p->needs[u * p->dims + i], left = p->capacity[i] - s->used[i];
        if (need > 0 && left / need < most) most = left < 0 ? 0 : (int32_t)(left / need + 1e-9);
    }
    return most > 0 ? most : 0;
}

/* The most that classes from `from` on can add when each instance adds `unit` of its class, at most
 * `fit` of them and `left` of a resource of which each takes `need` (NULL: one of `left` slots).
 * Dantzig's bound: best value for what it takes first, the last one in part. */
static double relaxed(const double *unit, const int32_t *fit, const double *need, int32_t stride,
                      int32_t from, int32_t k, double left) {
    double found = 0.0, last = INFINITY;
    int32_t last_at = -1;
    for (;;) {
        double top = 0.0;
        int32_t at = -1;
        for (int32_t v = from; v < k; v++) {
            if (unit[v] <= 0 || !fit[v]) continue;
            const double takes = need ? need[(int64_t)v * stride] : 1.0;
            const double worth = takes > 0 ? unit[v] / takes : 1e300;
            if ((worth < last || (worth == last && v > last_at)) && worth > top)
                top = worth, at = v;
        }
        if (at < 0) return found;
        const double takes = need ? need[(int64_t)at * stride] : 1.0;
        const double all = takes * fit[at];
        if (all >= left && takes > 0) return found + unit[at] * (left > 0 ? left / takes : 0.0);
        found += unit[at] * fit[at];
        left -= all;
        last = top;
        last_at = at;
    }
}

/* Contents whose classes come from `from` on, beside those in x. */
static void price_step(Pricing *s, int32_t from, int32_t held, double value) {
    const Problem *p = s->p;
    const int64_t k = p->classes;
    if (s->nodes <= 0) return;
    s->nodes--;
    if (held && value > s->best_value) {
        s->best_value = value;
        memcpy(s->best, s->x, sizeof(int32_t) * (size_t)k);
    }
    const int32_t slots = s->slots - held;
    if (slots <= 0) return;
    for (int32_t u = from; u < k; u++) {
        /* Bound on what classes from u on can add: each instance its gain now, and half of the most
         * that it could exchange with the others still to come. */
        for (int32_t v = u; v < k; v++) {
            s->unit[v] = s->pull[v] - s->price[v] + p->traffic[v * k + v] / 2 +
                         s->ceiling[(v * k + u) * s->slots + slots - 1] / 2;
            s->fit[v] = copies_that_fit(s, v, slots);
        }
        const double wanted = s->best_value + 1e-10 * fabs(s->best_value) - value;
        if (relaxed(s->unit, s->fit, NULL, 0, u, (int32_t)k, slots) <= wanted) return;
        int32_t useless = 0;
        for (int32_t i = 0; i < p->dims && !useless; i++)
            useless = isfinite(p->capacity[i]) &&
                      relaxed(s->unit, s->fit, p->needs + i, p->dims, u, (int32_t)k,
                              p->capacity[i] - s->used[i]) <= wanted;
        if (useless) return;
        if (s->fit[u] < 1) continue;
        const double gain = s->pull[u] - s->price[u] + p->traffic[u * k + u] / 2;
        content_add(p, s->x, s->pull, s->used, u, 1);
        price_step(s, u, held + 1, value + gain);
        content_add(p, s->x, s->pull, s->used, u, -1);
    }
}

/* `ceiling[v][u][n]`: the most that one instance of v exchanges with n others of classes from u on
 * in one container. */
static int ceilings(const Problem *p, double *ceiling, int32_t width) {
    const int64_t k = p->classes;
    int32_t *fit = zeros(k, sizeof(int32_t));
    if (!fit) return 0;
    for (int32_t v = 0; v < k; v++) {
        for (int32_t w = 0; w < k; w++) {
            /* Beside v. */
            double most = p->supply[w] - (w == v);
            for (int32_t i = 0; i < p->dims; i++) {
                const double need = p->needs[w * p->dims + i];
                const double left = p->capacity[i] - p->needs[v * p->dims + i];
                if (need > 0 && left / need + 1e-9 < most) most = floor(left / need + 1e-9);
            }
            fit[w] = most > 0 ? (int32_t)(most < 1e9 ? most : 1e9) : 0;
        }
        const double *row = p->traffic + v * k;
        for (int32_t u = 0; u < k; u++) {
            double least = INFINITY;
            for (int32_t i = 0; i < p->dims; i++) {
                if (!isfinite(p->capacity[i])) continue;
                const double left = p->capacity[i] - p->needs[v * p->dims + i];
                const double most =
                    relaxed(row, fit, p->needs + i, p->dims, u, (int32_t)k, left > 0 ? left : 0);
                if (most < least) least = most;
            }
            for (int32_t n = 0; n < width; n++) {
                const double most = relaxed(row, fit, NULL, 0, u, (int32_t)k, n);
                ceiling[(v * k + u) * width + n] = most < least ? most : least;
            }
        }
    }
    free(fit);
    return 1;
}

static int priced(const Problem *p, const double *price, const double *ceiling, int32_t width,
                  int64_t nodes, int32_t *content, double *value) {
    const int64_t k = p->classes;
    Pricing s;
    memset(&s, 0, sizeof s);
    s.p = p;
    s.price = price;
    s.ceiling = ceiling;
    s.slots = width;
    s.x = zeros(k, sizeof(int32_t));
    s.best = zeros(k, sizeof(int32_t));
    s.pull = zeros(k, sizeof(double));
    s.used = zeros(p->dims, sizeof(double));
    s.unit = zeros(k, sizeof(double));
    s.fit = zeros(k, sizeof(int32_t));
    int status = NO_MEMORY;
    if (s.x && s.best && s.pull && s.used && s.unit && s.fit) {
        s.best_value = *value;
        s.nodes = nodes;
        memcpy(s.best, content, sizeof(int32_t) * (size_t)k);
        price_step(&s, 0, 0, 0.0);
        *value = s.best_value;
        memcpy(content, s.best, sizeof(int32_t) * (size_t)k);
        status = s.nodes > 0 ? DONE : LIMIT_REACHED;
    }
    free(s.x);
    free(s.best);
    free(s.pull);
    free(s.used);
    free(s.unit);
    free(s.fit);
    return status;
}

/* How many instances one container can hold at most: the width of `ceilings`. */
static int32_t width_of(const Problem *p) {
    int64_t all = 0;
    for (int32_t u = 0; u < p->classes; u++) all += p->supply[u];
    const int64_t most = p->most[0] < all ? p->most[0] : all;
    return most > 1 ? (int32_t)most : 1;
}

/* The content of a container like the first that maximises traffic kept less prices, exactly.
 *
 * Branch and bound; `value` comes in with what must be exceeded, and goes out with the best found.
 * DONE: nothing exceeds it. LIMIT_REACHED: `nodes` did not suffice to know. */
EXPORT int best_content(const Problem *p, const double *price, int64_t nodes, int32_t *content,
                        double *value) {
    const int64_t k = p->classes;
    const int32_t width = width_of(p);
    double *ceiling = zeros(k * k * width, sizeof(double));
    int status = NO_MEMORY;
    if (ceiling && ceilings(p, ceiling, width))
        status = priced(p, price, ceiling, width, nodes, content, value);
    free(ceiling);
    return status;
}

/* ---- the configuration LP ---- */

/* Beyond, contents are not grown from every pair that talks. */
enum { MANY_CLASSES = 24 };

typedef struct {
    int32_t rows;      /* classes + 1: each class's supply, and the number of containers */
    int32_t *basis;    /* rows: column in the pool, or -1 - row for an artificial one */
    double *inverse;   /* rows x rows, of the basis */
    double *level;     /* rows: values of the basic variables */
    double *dual;      /* rows */
    double *direction; /* rows */
    double *cost;      /* rows: objective of the basic variables */
} Simplex;

static void duals(Simplex *x) {
    const int32_t m = x->rows;
    for (int32_t j = 0; j < m; j++) {
        double sum = 0.0;
        for (int32_t i = 0; i < m; i++) sum += x->cost[i] * x->inverse[(int64_t)i * m + j];
        x->dual[j] = sum;
    }
}

/* Bring a column into the basis; 0 when that cannot be done. */
static int pivot(Simplex *x, const int32_t *content, int32_t number, double value) {
    const int32_t m = x->rows, k = m - 1;
    for (int32_t i = 0; i < m; i++) {
        double sum = x->inverse[(int64_t)i * m + k];
        for (int32_t u = 0; u < k; u++)
            if (content[u]) sum += x->inverse[(int64_t)i * m + u] * content[u];
        x->direction[i] = sum;
    }
    int32_t out = -1;
    double ratio = INFINITY;
    for (int32_t i = 0; i < m; i++) {
        if (x->direction[i] <= 1e-9) continue;
        const double at = x->level[i] / x->direction[i];
        const double slack = 1e-10 * (1.0 + fabs(ratio));
        if (out < 0 || at < ratio - slack ||
            (at <= ratio + slack && x->direction[i] > x->direction[out]))
            ratio = at, out = i;
    }
    if (out < 0) return 0;
    const double by = x->direction[out];
    for (int32_t j = 0; j < m; j++) x->inverse[(int64_t)out * m + j] /= by;
    x->level[out] /= by;
    for (int32_t i = 0; i < m; i++) {
        const double times = x->direction[i];
        if (i == out || times == 0.0) continue;
        for (int32_t j = 0; j < m; j++)
            x->inverse[(int64_t)i * m + j] -= times * x->inverse[(int64_t)out * m + j];
        x->level[i] -= times * x->level[out];
        if (x->level[i] < 0) x->level[i] = 0.0;
    }
    x->basis[out] = number;
    x->cost[out] = value;
    return 1;
}

/* Contents of containers, and how often each is used, that keep most traffic.
 *
 * Column generation over contents of containers like the first: every class is used up and exactly
 * `containers` contents are used, in fractions. Columns are priced by local search from each class
 * and pair that talks, and at the end by branch and bound with `nodes` per pricing. `pool`
 * (pool_size x classes) begins with `given` contents and is added to. Out: contents in the basis
 * with their levels, the prices (classes + 1), the value, and in `gap` by how much one container's
 * best content exceeds its price at most: value + containers * gap bounds the traffic that any
 * state keeps. `gap` is infinite when pricing was not finished. */
EXPORT int configurations(const Problem *p, int32_t *pool, int32_t pool_size, int32_t given,
                          int32_t rounds, int64_t nodes, int32_t *basis, double *level,
                          double *dual, double *value, double *gap) {
    const int32_t k = p->classes, m = k + 1;
    Simplex x;
    memset(&x, 0, sizeof x);
    x.rows = m;
    x.basis = basis;
    x.level = level;
    x.dual = dual;
    x.inverse = zeros((int64_t)m * m, sizeof(double));
    x.direction = zeros(m, sizeof(double));
    x.cost = zeros(m, sizeof(double));
    double *worths = zeros(pool_size, sizeof(double)), *pull = zeros(k, sizeof(double));
    double *used = zeros(p->dims, sizeof(double)), *none = zeros(k, sizeof(double));
    int32_t *content = zeros(k, sizeof(int32_t)), *spare = zeros(k, sizeof(int32_t));
    const int32_t width = width_of(p);
    double *ceiling = zeros(nodes > 0 ? (int64_t)k * k * width : 1, sizeof(double));
    int status = NO_MEMORY;
    if (!ceiling || (nodes > 0 && !ceilings(p, ceiling, width)) || !x.inverse || !x.direction || !x.cost || !worths || !pull || !used || !none || !content ||
        !spare)
        goto out;
    status = DONE;
    double scale = 0.0;
    for (int64_t i = 0; i < (int64_t)k * k; i++)
        if (p->traffic[i] > scale) scale = p->traffic[i];
    if (scale == 0.0) scale = 1.0;
    /* What an instance that is left over costs: more than it could ever keep local. */
    const double missing = -2.0 * scale * (p->most[0] + 1);
    for (int32_t i = 0; i < m; i++) {
        basis[i] = -1 - i;
        x.inverse[(int64_t)i * m + i] = 1.0;
        level[i] = i < k ? p->supply[i] : p->containers;
        x.cost[i] = missing;
    }
    int32_t count = given;
    for (int32_t i = 0; i < count; i++) worths[i] = content_value(p, none, pool + (int64_t)i * k);
    const double tolerance = 1e-7 * scale;
    *gap = INFINITY;
    int32_t useless = 0;
    for (int32_t round = 0; round < rounds; round++) {
        duals(&x);
        int32_t enter = -1;
        double most = tolerance;
        for (int32_t i = 0; i < count; i++) {
            double reduced = worths[i] - dual[k];
            const int32_t *of = pool + (int64_t)i * k;
            for (int32_t u = 0; u < k; u++) reduced -= of[u] * dual[u];
            if (reduced > most) most = reduced, enter = i;
        }
        if (enter < 0) {
            /* Nothing known gains: look for contents that do. */
            int32_t added = 0;
            for (int32_t thorough = 0; thorough < 2 && !added; thorough++)
                for (int32_t u = 0; u < k; u++)
                    for (int32_t v = thorough ? u : -1; v < k; v++) {
                        if (v >= 0 && (k > MANY_CLASSES || p->traffic[(int64_t)u * k + v] <= 0))
                            continue;
                        if (!thorough && v >= 0 && v < u) continue;
                        const int32_t last = thorough ? width - 1 : 1;
                        for (int32_t times = 1 + thorough; times <= last && count < pool_size;
                             times += width > 12 ? width / 6 : 1) {
                            const double kept = content_from(p, dual, p->supply, u, times, v,
                                                             content, spare, pull, used);
                            if (kept - dual[k] <= tolerance) continue;
                            int known = 0;
                            for (int32_t i = count - added; i < count && !known; i++)
                                known = !memcmp(pool + (int64_t)i * k, content,
                                                sizeof(int32_t) * (size_t)k);
                            if (known) continue;
                            memcpy(pool + (int64_t)count * k, content,
                                   sizeof(int32_t) * (size_t)k);
                            worths[count++] = content_value(p, none, content);
                            added++;
                        }
                    }
            if (!added && count < pool_size && nodes > 0) {
                double found = dual[k] + tolerance;
                memset(content, 0, sizeof(int32_t) * (size_t)k);
                const int proved = priced(p, dual, ceiling, width, nodes, content, &found);
                if (proved == NO_MEMORY) {
                    status = NO_MEMORY;
                    goto out;
                }
                if (found > dual[k] + tolerance) {
                    memcpy(pool + (int64_t)count * k, content, sizeof(int32_t) * (size_t)k);
                    worths[count++] = content_value(p, none, content);
                    added++;
                } else if (proved == DONE) {
                    *gap = tolerance;
                }
            }
            if (!added) break;
            continue;
        }
        if (!pivot(&x, pool + (int64_t)enter * k, enter, worths[enter])) break;
        /* Steps of length zero can go round in circles. */
        useless = most * 1e9 < scale ? useless + 1 : 0;
        if (useless > 4 * m) break;
    }
    duals(&x);
    *value = 0.0;
    for (int32_t i = 0; i < m; i++) *value += x.cost[i] * level[i];
out:
    free(ceiling);
    free(x.inverse);
    free(x.direction);
    free(x.cost);
    free(worths);
    free(pull);
    free(used);
    free(none);
    free(content);
    free(spare);
    return status;
}
