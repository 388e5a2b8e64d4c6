import Store

/// What is atomic about placement, as Lua in Redis.
///
/// Keys, all below `roost:r:`. They are made inside the scripts, so a Redis Cluster is not supported; one primary with
/// replicas is.
///
/// | key | what |
/// | --- | --- |
/// | `nodes` | set of node ids |
/// | `node:ID` | hash: kind, boot, info and load (protobuf), draining (said by the node), want (asked by an operator) |
/// | `lease:ID` | hash: boot, stream, closed (its stream ended), era (all its rooms were reported in it); lives 3 s |
/// | `room:ROOM` | hash: node, boot, epoch; lives 10 min after it was last reported |
/// | `high` | highest epoch ever given or reported |
/// | `era` | run id of the Redis that last ran a script: another one may have lost writes |
/// | `pulse` | when a script ran last, ms: a gap means that leases could not be renewed |
/// | `settling` | why nothing is placed for now |
/// | `expected` | sfu-nodes that were live when last looked at |
/// | `lapsed` | sorted set: sfu-nodes that are gone, by when |
/// | `frozen` | why placement is frozen |
enum PlacementScripts {
    /// Runs before each script: the clock, and whether leases can be believed.
    static let prelude = """
        local P = 'roost:r:'
        local LEASE, GAP, FREEZE, RECORD, NODE = 3000, 1500, 10000, 600000, 3600000
        local clock = redis.call('TIME')
        local us = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
        local ms = math.floor(us / 1000)
        local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
        local function whole(n) return string.format('%.0f', n) end
        if redis.call('GET', P .. 'era') ~= run then
            redis.call('SET', P .. 'era', run)
            redis.call('SET', P .. 'settling', 'Redis was restarted or replaced, nodes report their rooms', 'PX', LEASE)
        elseif ms - tonumber(redis.call('GET', P .. 'pulse') or '0') > GAP then
            redis.call('SET', P .. 'settling', 'leases could not be renewed for a while, nodes report again', 'PX', LEASE)
        end
        redis.call('SET', P .. 'pulse', whole(ms))

        """

    /// Live sfu-nodes against those expected: ends settling early, and freezes when too many are gone together.
    private static let watch = """
        local function watch(known)
            local live, isLive = {}, {}
            for _, id in ipairs(redis.call('SMEMBERS', P .. 'nodes')) do
                local l = redis.call('HMGET', P .. 'lease:' .. id, 'boot', 'era')
                local n = redis.call('HMGET', P .. 'node:' .. id, 'kind', 'draining', 'want')
                if n[1] == '1' then
                    isLive[id] = l[1] and true
                    if l[1] and redis.call('EXISTS', P .. 'settling') == 1 and l[2] ~= run then isLive[id] = false end
                    if isLive[id] and n[2] ~= '1' and n[3] ~= '1' then live[#live + 1] = id end
                end
            end
            local was = redis.call('SMEMBERS', P .. 'expected')
            if redis.call('EXISTS', P .. 'settling') == 1 then
                for _, id in ipairs(known) do was[#was + 1] = id end
                for _, id in ipairs(was) do
                    if not isLive[id] then return end
                end
                if #was == 0 then return end
                redis.call('DEL', P .. 'settling')
            end
            for _, id in ipairs(was) do
                local n = redis.call('HMGET', P .. 'node:' .. id, 'draining', 'want')
                if not isLive[id] and n[1] ~= '1' and n[2] ~= '1' then redis.call('ZADD', P .. 'lapsed', whole(ms), id) end
            end
            redis.call('DEL', P .. 'expected')
            for _, id in ipairs(live) do
                redis.call('SADD', P .. 'expected', id)
                redis.call('ZREM', P .. 'lapsed', id)
            end
            redis.call('ZREMRANGEBYSCORE', P .. 'lapsed', '-inf', whole(ms - FREEZE))
            local together = redis.call('ZCOUNT', P .. 'lapsed', whole(ms - LEASE), '+inf')
            local gone = redis.call('ZCARD', P .. 'lapsed')
            if together >= 3 and together * 3 > #live + together then
                local why = together .. ' of ' .. (#live + together) .. ' sfu-nodes went away together'
                redis.call('SET', P .. 'frozen', why, 'PX', FREEZE, 'NX')
            elseif gone * 3 <= #live + gone then
                redis.call('DEL', P .. 'frozen')
            end
        end

        """

    /// A node lives. ARGV: id, kind, boot, stream, info, load, draining, hello. Gives run id, the lease's era, want.
    static let beat = RedisScript(
        prelude + """
            local id, kind, boot, stream, info, load, draining, hello = unpack(ARGV)
            local key, node = P .. 'lease:' .. id, P .. 'node:' .. id
            local l = redis.call('HMGET', key, 'boot', 'stream', 'era')
            if l[2] and l[2] ~= stream and hello ~= '1' then return {'replaced'} end
            if l[1] ~= boot then redis.call('DEL', key); l[3] = false end
            redis.call('HSET', key, 'boot', boot, 'stream', stream)
            redis.call('HDEL', key, 'closed')
            redis.call('PEXPIRE', key, LEASE)
            if redis.call('HGET', node, 'boot') ~= boot then redis.call('HDEL', node, 'want') end
            redis.call('HSET', node, 'kind', kind, 'boot', boot, 'info', info, 'load', load, 'draining', draining)
            redis.call('PEXPIRE', node, NODE)
            redis.call('SADD', P .. 'nodes', id)
            local want = redis.call('HGET', node, 'want')
            if want == '0' and draining == '0' then redis.call('HDEL', node, 'want') end
            return {'ok', run, l[3] or '', want or ''}
            """)

    /// What a node holds. ARGV: id, boot, whole, number held, (room, epoch) each, then (room, epoch) of those gone.
    /// Gives rooms that it must close, each with the newer epoch.
    static let report = RedisScript(
        prelude + """
            local id, boot = ARGV[1], ARGV[2]
            if redis.call('HGET', P .. 'lease:' .. id, 'boot') ~= boot then return {'replaced'} end
            local high = tonumber(redis.call('GET', P .. 'high') or '0')
            local out = {'ok'}
            local last = 4 + 2 * tonumber(ARGV[4])
            for i = 5, last, 2 do
                local key, epoch = P .. 'room:' .. ARGV[i], tonumber(ARGV[i + 1])
                local r = redis.call('HMGET', key, 'node', 'boot', 'epoch')
                local stored = tonumber(r[3] or '0')
                if not r[1] or epoch > stored or (epoch == stored and r[1] == id) then
                    redis.call('HSET', key, 'node', id, 'boot', boot, 'epoch', whole(epoch))
                    redis.call('PEXPIRE', key, RECORD)
                elseif r[1] ~= id or r[2] ~= boot then
                    out[#out + 1] = ARGV[i]
                    out[#out + 1] = whole(stored)
                end
                if epoch > high then high = epoch end
            end
            redis.call('SET', P .. 'high', whole(high))
            for i = last + 1, #ARGV, 2 do
                local key = P .. 'room:' .. ARGV[i]
                local r = redis.call('HMGET', key, 'node', 'epoch')
                if r[1] == id and r[2] == ARGV[i + 1] then redis.call('DEL', key) end
            end
            if ARGV[3] == '1' then redis.call('HSET', P .. 'lease:' .. id, 'era', run) end
            return out
            """)

    /// A node's stream ended. ARGV: id, stream, whether the grace is over. A later stream's lease stays as it is.
    static let close = RedisScript(
        prelude + """
            local key = P .. 'lease:' .. ARGV[1]
            local l = redis.call('HMGET', key, 'stream', 'closed')
            if l[1] ~= ARGV[2] then return 0 end
            if ARGV[3] == '0' then redis.call('HSET', key, 'closed', '1') return 1 end
            if l[2] == '1' then redis.call('DEL', key) return 1 end
            return 0
            """)

    /// The node of a room. ARGV: room, node and boot that the caller saw dead, then nodes that may take it, best first.
    static let place = RedisScript(
        prelude + watch + """
            local key = P .. 'room:' .. ARGV[1]
            local r = redis.call('HMGET', key, 'node', 'boot', 'epoch')
            if r[1] then
                local l = redis.call('HMGET', P .. 'lease:' .. r[1], 'boot', 'closed')
                local isReported = r[1] == ARGV[2] and r[2] == ARGV[3]
                if l[1] == r[2] and not (l[2] == '1' and isReported) then
                    return {'kept', r[1], r[2], r[3], redis.call('HGET', P .. 'node:' .. r[1], 'info')}
                end
                watch({})
            end
            local settling = redis.call('GET', P .. 'settling')
            if settling then return {'settling', settling} end
            local frozen = redis.call('GET', P .. 'frozen')
            if frozen then return {'frozen', frozen} end
            for i = 4, #ARGV do
                local id = ARGV[i]
                local l = redis.call('HMGET', P .. 'lease:' .. id, 'boot', 'closed')
                local n = redis.call('HMGET', P .. 'node:' .. id, 'boot', 'draining', 'want', 'info')
                local isSeenDead = id == ARGV[2] and l[1] == ARGV[3]
                if l[1] and l[1] == n[1] and l[2] ~= '1' and n[2] ~= '1' and n[3] ~= '1' and not isSeenDead then
                    local high = tonumber(redis.call('GET', P .. 'high') or '0')
                    local epoch = whole(math.max(us, high + 1, tonumber(r[3] or '0') + 1))
                    redis.call('SET', P .. 'high', epoch)
                    redis.call('HSET', key, 'node', id, 'boot', l[1], 'epoch', epoch)
                    redis.call('PEXPIRE', key, RECORD)
                    return {'placed', id, l[1], epoch, n[4]}
                end
            end
            return {'none'}
            """)

    /// Forgets a room. ARGV: room, node, epoch.
    static let release = RedisScript(
        prelude + """
            local key = P .. 'room:' .. ARGV[1]
            local r = redis.call('HMGET', key, 'node', 'epoch')
            if r[1] == ARGV[2] and r[2] == ARGV[3] then return redis.call('DEL', key) end
            return 0
            """)

    /// Asks a node to drain, or to go on. ARGV: id, 1 or 0.
    static let drain = RedisScript(
        prelude + """
            if redis.call('EXISTS', P .. 'node:' .. ARGV[1]) == 0 then return 0 end
            redis.call('HSET', P .. 'node:' .. ARGV[1], 'want', ARGV[2])
            return 1
            """)

    /// All nodes, and whether placement waits. ARGV: sfu-nodes that the caller last knew live.
    static let survey = RedisScript(
        prelude + watch + """
            watch(ARGV)
            local out = {redis.call('GET', P .. 'settling') or '', redis.call('GET', P .. 'frozen') or ''}
            for _, id in ipairs(redis.call('SMEMBERS', P .. 'nodes')) do
                local n = redis.call('HMGET', P .. 'node:' .. id, 'info', 'load', 'draining', 'want')
                if n[1] then
                    local l = redis.call('HMGET', P .. 'lease:' .. id, 'boot', 'closed')
                    local left = redis.call('PTTL', P .. 'lease:' .. id)
                    local draining = (n[3] == '1' or n[4] == '1') and 1 or 0
                    out[#out + 1] = {id, n[1], n[2], draining, left, l[2] or '0'}
                else
                    redis.call('SREM', P .. 'nodes', id)
                end
            end
            return out
            """)
}
