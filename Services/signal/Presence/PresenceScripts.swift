import Store

/// Presence in Redis, each change one atomic script.
///
/// Keys, all under `roost:s:`:
/// - `p:PERSON` hash: `name`, `key` (hash of the browser's secret), `busy`, and `s:SESSION` → `EXPIRY BUSY ADDRESS`.
/// - `leases` sorted set: person → Unix ms at which its longest session lease ends.
/// - `log` sorted set: person → the revision of its last change, newest 10,000 (an instance that missed more reads everything).
/// - `rev` counter of changes; `born`: a mark of this life of the store, which an emptied one has lost.
/// - channel `news`: the new revision, as a hint.
enum PresenceScripts {
    static let keys = ["roost:s:rev", "roost:s:leases", "roost:s:log", "roost:s:born"]
    static let news = "roost:s:news"
    static func person(_ id: String) -> String { "roost:s:p:\(id)" }
    static func record(_ session: String) -> String { "roost:s:r:\(session)" }

    /// Helpers of all scripts: the time, a change, and a person's live sessions (lapsed ones are removed on the way).
    private static let common = """
        local function now()
          local t = redis.call('TIME')
          return t[1] * 1000 + math.floor(t[2] / 1000)
        end
        local function changed(person)
          local rev = redis.call('INCR', KEYS[1])
          redis.call('ZADD', KEYS[3], rev, person)
          redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -10001)
          redis.call('PUBLISH', 'roost:s:news', rev)
        end
        local function sessions(key, at)
          local all = redis.call('HGETALL', key)
          local live, last, busy = {}, 0, '0'
          for i = 1, #all, 2 do
            if string.sub(all[i], 1, 2) == 's:' then
              local expiry, b, address = string.match(all[i + 1], '^(%d+) (%d) (.*)$')
              expiry = tonumber(expiry)
              if expiry <= at then
                redis.call('HDEL', key, all[i])
              else
                live[#live + 1] = {string.sub(all[i], 3), address}
                if expiry > last then last = expiry end
                if b == '1' then busy = '1' end
              end
            end
          end
          return live, last, busy
        end
        local function settle(person, key, at)
          local live, last, busy = sessions(key, at)
          if #live == 0 then
            local had = redis.call('DEL', key)
            redis.call('ZREM', KEYS[2], person)
            return had == 1
          end
          local was = redis.call('HGET', key, 'busy')
          redis.call('HSET', key, 'busy', busy)
          redis.call('ZADD', KEYS[2], last, person)
          redis.call('PEXPIREAT', key, last + 60000)
          return was ~= busy
        end

        """

    /// Claims a name for a session, or renews its lease: KEYS[5] person key; ARGV person, name, key hash, session, address, busy,
    /// lease ms. 1: done, 0: somebody else's.
    static let claim = RedisScript(
        common + """
            local at, person, key = now(), ARGV[1], KEYS[5]
            local live = sessions(key, at)
            local owner = redis.call('HGET', key, 'key')
            if owner and owner ~= ARGV[3] and #live > 0 then return 0 end
            local fresh = #live == 0 or redis.call('HGET', key, 'name') ~= ARGV[2]
            if #live == 0 then redis.call('DEL', key) end
            redis.call('HSET', key, 'name', ARGV[2], 'key', ARGV[3],
              's:' .. ARGV[4], string.format('%.0f', at + ARGV[7]) .. ' ' .. ARGV[6] .. ' ' .. ARGV[5])
            redis.call('SET', KEYS[4], string.format('%.0f', at), 'NX')
            if settle(person, key, at) or fresh then changed(person) end
            return 1
            """)

    /// Ends a session: KEYS[5] person key; ARGV person, session, address (only if it is still there).
    static let release = RedisScript(
        common + """
            local at, person, key = now(), ARGV[1], KEYS[5]
            local value = redis.call('HGET', key, 's:' .. ARGV[2])
            if not value then return 0 end
            local address = string.match(value, '^%d+ %d (.*)$')
            if address ~= ARGV[3] then return 0 end
            redis.call('HDEL', key, 's:' .. ARGV[2])
            if settle(person, key, at) then changed(person) end
            return 1
            """)

    /// Removes what lapsed: people whose signal was killed and whose client never came back.
    static let sweep = RedisScript(
        common + """
            local at = now()
            local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', at, 'LIMIT', 0, 100)
            for _, person in ipairs(due) do
              if settle(person, 'roost:s:p:' .. person, at) then changed(person) end
            end
            return #due
            """)

    /// What changed: ARGV the known revision and life ('' at first). Answers {life, revision, full, person, name, busy, …}; a
    /// person who is gone has name ''.
    static let changes = RedisScript(
        common + """
            redis.call('SET', KEYS[4], string.format('%.0f', now()), 'NX')
            local born = redis.call('GET', KEYS[4])
            local rev = tonumber(redis.call('GET', KEYS[1]) or '0')
            local known, full, people = tonumber(ARGV[1]), 0, {}
            if born ~= ARGV[2] or known > rev or rev - known > 5000 then
              full = 1
              people = redis.call('ZRANGE', KEYS[2], 0, -1)
            elseif known < rev then
              people = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. known, '+inf')
            end
            local out = {born, tostring(rev), tostring(full)}
            for _, person in ipairs(people) do
              local v = redis.call('HMGET', 'roost:s:p:' .. person, 'name', 'busy')
              out[#out + 1] = person
              out[#out + 1] = v[1] or ''
              out[#out + 1] = v[2] or '0'
            end
            return out
            """)

    /// Where a person is: KEYS[5] person key. Answers {name, address, …}, empty when away.
    static let find = RedisScript(
        common + """
            local live = sessions(KEYS[5], now())
            if #live == 0 then return {} end
            local out = {redis.call('HGET', KEYS[5], 'name')}
            for _, s in ipairs(live) do out[#out + 1] = s[2] end
            return out
            """)

    /// Takes a session's record over: KEYS[1] record; ARGV token hash, new token hash, new owner. Answers {owner, data}.
    ///
    /// The token before stays good until the next resume: the answer that carried the new one may have been lost.
    static let takeRecord = RedisScript(
        """
        local v = redis.call('HMGET', KEYS[1], 'token', 'before', 'owner', 'data')
        if not v[1] or (v[1] ~= ARGV[1] and v[2] ~= ARGV[1]) then return {} end
        redis.call('HSET', KEYS[1], 'token', ARGV[2], 'before', ARGV[1], 'owner', ARGV[3])
        redis.call('PEXPIRE', KEYS[1], 45000)
        return {v[3], v[4]}
        """)

    /// Writes a session's record: KEYS[1] record; ARGV token hash, hash before, owner, data. Not over another owner's.
    static let writeRecord = RedisScript(
        """
        local owner = redis.call('HGET', KEYS[1], 'owner')
        if owner and owner ~= ARGV[3] then return 0 end
        redis.call('HSET', KEYS[1], 'token', ARGV[1], 'before', ARGV[2], 'owner', ARGV[3], 'data', ARGV[4])
        redis.call('PEXPIRE', KEYS[1], 45000)
        return 1
        """)

    /// Forgets a session's record if it is still ours: KEYS[1] record; ARGV owner.
    static let dropRecord = RedisScript(
        """
        if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
        return redis.call('DEL', KEYS[1])
        """)
}
