import Foundation
import ServiceKit
import Store

extension SignalKeys {
    /// What is wrong with values that are each well formed, for people.
    static func problems(_ configuration: ServiceConfiguration) -> [String] {
        var found: [String] = []
        do throws(RedisURLError) {
            _ = try RedisURL(parsing: configuration[redis])
        } catch {
            found.append(
                "--\(redis.name): expected redis://HOST:PORT/DB, rediss://… or unix:///PATH?db=N (\(error)).")
        }
        switch (configuration[certificate], configuration[privateKey]) {
        case (nil, nil): break
        case (let chain?, let key?):
            do { try Certificates.check(chain, key) } catch { found.append("\(error)") }
        case (nil, _?):
            found.append("--\(privateKey.name) is of no use without --\(certificate.name): give both, or none.")
        case (_?, nil):
            found.append("--\(certificate.name) is of no use without --\(privateKey.name): give both, or none.")
        }
        let page = "\(configuration[webRoot])/index.html"
        if !FileManager.default.isReadableFile(atPath: page) {
            found.append("--\(webRoot.name): cannot read \(page). Give the folder of the pages.")
        }
        return found
    }
}
