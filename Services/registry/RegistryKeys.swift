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

    /// The sfu-nodes that are to be waited for where Redis knows none.
    package static let expectedNodes: ConfigurationKey<[String]> = .list(
        "expected-nodes",
        "Ids of all sfu-nodes of the cluster: a Redis that is new or came back empty is placed in once these reported, "
            + "not only after a lease of 3 s.",
        placeholder: "ID,…")

    /// What credentials for turn servers are made with.
    package static let turnSecretFile: ConfigurationKey<String?> = .optionalText(
        "turn-secret-file",
        "File of the secret shared with turn servers, read again on SIGHUP; a second line is for them alone. Without it clients are given STUN servers only.",
        placeholder: "PATH")

    /// How long a credential lasts.
    package static let turnCredentialLifetime: ConfigurationKey<Duration> = .duration(
        "turn-credential-lifetime",
        "How long a client's TURN credential lasts: longer than any call, which cannot change it.",
        in: TurnSecrets.lifetimes, default: TurnSecrets.defaultLifetime)

    /// All of them.
    package static let all: [any AnyConfigurationKey] = [redis, expectedNodes, turnSecretFile, turnCredentialLifetime]
}
