-- Requests for wrk, picked at random from the file that is its argument: METHOD PATH [BODY], one a line. `%n` in a body
-- becomes a number that no other request has, and is then its Idempotency-Key too. The environment's
-- BENCH_AUTHORIZATION goes with each.
local threads = 0

function setup(thread)
    threads = threads + 1
    thread:set("thread_number", threads)
end

local ready, bodies, count, number = {}, {}, 0, 0

function init(arguments)
    math.randomseed(os.time() * 100 + thread_number)
    wrk.headers["Authorization"] = os.getenv("BENCH_AUTHORIZATION")
    for line in io.lines(arguments[1]) do
        local method, path, body = line:match("^(%S+) (%S+) ?(.*)$")
        count = count + 1
        if body == "" then
            ready[count] = wrk.format(method, path)
        else
            wrk.headers["Content-Type"] = "application/json"
            if body:find("%%n") then
                bodies[count] = {method, path, body}
            else
                ready[count] = wrk.format(method, path, nil, body)
            end
        end
    end
    number = (os.time() % 1000000) * 100 + thread_number
    number = number * 10000000
end

function request()
    local at = math.random(count)
    if ready[at] then
        return ready[at]
    end
    number = number + 1
    local wanted, unique = bodies[at], string.format("%d", number)
    wrk.headers["Idempotency-Key"] = unique
    return wrk.format(wanted[1], wanted[2], nil, (wanted[3]:gsub("%%n", unique)))
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        '\nRESULT {"requests": %d, "seconds": %.6f, "failed": %d, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f}\n',
        summary.requests, summary.duration / 1e6, errors.connect + errors.read + errors.write + errors.status,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
