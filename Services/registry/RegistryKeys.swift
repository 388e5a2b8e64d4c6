package import ServiceKit
package import Store

/// What can be set on a registry, besides what every service has.
package enum RegistryKeys {
    /// Where Redis is.
    package static let redis = ConfigurationKey<RedisURL>(
        "redis", "Redis, for placement: redis://USER:PASSWORD@HOST:PORT/DB, rediss://… or unix:///PATH?db=N.",
        placeholder: "URL", default: RedisURL(host: "127.0.0.1", port: 6379), shown: "redis://127.0.0.1:6379/0",
        isSecret: true
    ) { text throws(ConfigurationProblem) in
        do throws(RedisURLError) {
            return try RedisURL(parsing: text)
        } catch {
            throw ConfigurationProblem("expected redis://HOST:PORT/DB, rediss://… or unix:///PATH?db=N (\(error))")
        }
    }

    /// All of them.
    package static let all: [any AnyConfigurationKey] = [redis]
}
