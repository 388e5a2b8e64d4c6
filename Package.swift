// swift-tools-version: 6.2
import PackageDescription

/// For every target written by hand: Swift 6 mode, strict memory safety, explicit imports and existentials, no warnings.
let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
]

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
]
let nioTLS: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let protobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

/// A module of the house: `Shared/NAME`.
func shared(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "Shared/\(name)", exclude: ["README.md"], swiftSettings: strict)
}

/// One of the four servers: the library holds it, the executable is a thin `main`.
func service(_ folder: String, _ module: String, _ dependencies: [Target.Dependency], exclude: [String] = [])
    -> [Target]
{
    [
        .target(
            name: module, dependencies: dependencies, path: "Services/\(folder)",
            exclude: ["README.md", "main"] + exclude,
            swiftSettings: strict),
        .executableTarget(
            name: module + "Main", dependencies: [.byName(name: module)], path: "Services/\(folder)/main",
            swiftSettings: strict),
    ]
}

/// The tests of one module: `Tests/NAMETests`.
func tests(_ module: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: module + "Tests", dependencies: [.byName(name: module)] + dependencies, path: "Tests/\(module)Tests",
        swiftSettings: strict)
}

let package = Package(
    name: "roost",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "registry", targets: ["RegistryMain"]),
        .executable(name: "sfu-node", targets: ["SFUNodeMain"]),
        .executable(name: "signal", targets: ["SignalMain"]),
        .executable(name: "turn", targets: ["TurnMain"]),
        .executable(name: "roost", targets: ["RoostCommand"]),
        .executable(name: "protoc-gen-roost", targets: ["ProtocGenRoost"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.0"),
        .package(
            url: "https://github.com/apple/swift-configuration.git", from: "1.4.0",
            traits: [.defaults, "CommandLineArguments"]),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
    ],
    targets: [
        // C, in rows by what they wrap.
        .systemLibrary(
            name: "COpenSSL", path: "Shared/C/COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CHiredis", path: "Shared/C/CHiredis", pkgConfig: "hiredis", providers: [.apt(["libhiredis-dev"])]),
        .target(name: "CEpoll", path: "Shared/C/CEpoll"),
        .systemLibrary(name: "CZlib", path: "Shared/C/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "CPacketIO", path: "Shared/C/CPacketIO"),
        .target(name: "CProcess", path: "Shared/C/CProcess"),

        // Shared: a module may import only modules in rows above its own.
        shared("Time"),
        shared("Bytes", ["COpenSSL"]),
        shared("Addresses"),
        shared("CongestionControl", ["Time"]),
        shared("STUN", ["Bytes", "Addresses", "COpenSSL"]),
        shared("ICE", ["Time", "Bytes", "Addresses", "STUN"]),
        shared("DTLS", ["Time", "Bytes", "COpenSSL"]),
        shared("SRTP", ["Bytes", "COpenSSL"]),
        shared("RTP", ["Time", "Bytes"]),
        shared("SDP"),
        shared("TURN", ["Time", "Bytes", "Addresses", "STUN", "COpenSSL"]),
        shared("TURNServer", ["Time", "Bytes", "Addresses", "STUN", "TURN", "COpenSSL"]),
        shared("PacketIO", ["Time", "Bytes", "Addresses", "CPacketIO", "COpenSSL"]),
        .target(
            name: "Messages", dependencies: [protobuf, "Bus"], path: "Shared/Messages",
            exclude: ["README.md", "Protos", "generate"]),
        shared("Bus", ["Time", "CEpoll", protobuf, logging]),
        shared("Store", nio + ["Time", "CHiredis", "COpenSSL", nioTLS, logging]),
        shared(
            "ServiceKit",
            nio + [
                "Bus", logging, lifecycle,
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ]),
        shared("Attachment", ["Time", "Addresses", "Bus", "Messages", "ServiceKit", logging, lifecycle]),
    ]
        + service(
            "registry", "Registry",
            [
                protobuf, "Time", "Addresses", "TURN", "Bus", "Messages", "Store", "ServiceKit", logging, lifecycle,
            ])
        + [
            .target(name: "MediaInterface", path: "Services/sfu-node/MediaInterface", swiftSettings: strict),
            .target(
                name: "SFUMedia",
                dependencies: [
                    "Time", "Bytes", "Addresses", "STUN", "RTP", "SDP", "ICE", "DTLS", "SRTP", "CongestionControl",
                    "PacketIO", "MediaInterface",
                ], path: "Services/sfu-node/Media", exclude: ["README.md"], swiftSettings: strict),
        ]
        + service(
            "sfu-node", "SFUNode",
            [
                "CProcess", "MediaInterface", "SFUMedia", "Time", "Addresses", "Bus", "Messages", "ServiceKit",
                "Attachment",
                logging,
                lifecycle,
            ], exclude: ["Media", "MediaInterface"])
        + service(
            "signal", "Signal",
            nio + [
                "Time", "Bus", "Messages", "Store", "ServiceKit", "COpenSSL", "CZlib", logging, lifecycle, nioTLS,
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOWebSocket", package: "swift-nio"),
            ], exclude: ["Web"])
        + service(
            "turn", "Turn",
            [
                "Time", "Bytes", "Addresses", "STUN", "TURN", "TURNServer", "PacketIO", "Bus", "Messages",
                "ServiceKit", "Attachment", logging, lifecycle,
            ])
        + [
            .executableTarget(
                name: "RoostCommand", dependencies: ["Bus", "Messages", "ServiceKit", "CProcess", arguments, logging],
                path: "deploy/roost",
                exclude: ["README.md"], swiftSettings: strict),
            .executableTarget(
                name: "ProtocGenRoost",
                dependencies: [.product(name: "SwiftProtobufPluginLibrary", package: "swift-protobuf")],
                path: "Shared/ProtocGenRoost", exclude: ["README.md"], swiftSettings: strict),

            .executableTarget(
                name: "BusBench", dependencies: ["Bus", "Time", protobuf, logging], path: "Tests/Bench/bus",
                swiftSettings: [.treatAllWarnings(as: .error), .enableUpcomingFeature("ExistentialAny")]),
            .target(name: "CTurnLoad", dependencies: ["COpenSSL"], path: "Tests/Bench/turn/CTurnLoad"),
            .executableTarget(
                name: "TurnLoad", dependencies: ["CTurnLoad", "Time", "Bytes", "Addresses", "STUN", "TURN"],
                path: "Tests/Bench/turn/load", swiftSettings: strict),
            .executableTarget(
                name: "SFULoad",
                dependencies: ["MediaClient", "PacketIO", "RTP", "SDP", "ICE", "DTLS", "Bytes", "Addresses", "Time"],
                path: "Tests/Bench/sfu/load", swiftSettings: strict),

            tests("Time"),
            tests("Bytes"),
            tests("Addresses"),
            tests("STUN", ["Bytes", "Addresses"]),
            tests("ICE", ["Time", "Bytes", "Addresses", "STUN"]),
            .target(name: "CVirtualTime", path: "Tests/Support/CVirtualTime"),
            tests("DTLS", ["Time", "Bytes", "CVirtualTime", "CAllocations"]),
            .systemLibrary(name: "CSRTP", path: "Tests/Support/CSRTP"),
            tests("SRTP", ["Bytes", "CSRTP", "CAllocations"]),
            tests("RTP", ["Time", "Bytes", "CAllocations"]),
            .testTarget(
                name: "SDPTests", dependencies: ["SDP"], path: "Tests/SDPTests", exclude: ["Offers"],
                swiftSettings: strict),
            tests("TURN", ["Time", "Bytes", "Addresses", "STUN", "TURNServer"]),
            tests("TURNServer", ["Time", "Bytes", "Addresses", "STUN", "TURN", "CAllocations"]),
            tests("CongestionControl", ["LinkSimulator", "Time", "CAllocations"]),
            .target(
                name: "LinkSimulator", dependencies: ["CongestionControl", "Time"],
                path: "Tests/Support/LinkSimulator", swiftSettings: strict),
            .target(name: "CAllocations", path: "Tests/Support/CAllocations"),
            tests("PacketIO", ["Time", "Bytes", "Addresses", "CPacketIO", "COpenSSL", "CAllocations"]),
            tests("Bus", nio + ["Time", protobuf, logging]),
            .target(name: "RedisServer", path: "Tests/Support/RedisServer", swiftSettings: strict),
            tests("Store", nio + ["Time", logging, "RedisServer"]),
            tests("ServiceKit", nio + ["Time", "Bus", logging, lifecycle]),
            tests("Attachment", ["Addresses", "Bus", "Messages", "Time", logging]),
            tests(
                "Registry",
                ["Attachment", "TURN", "ServiceKit", "Bus", "Messages", "Store", "Time", logging, "RedisServer"]),
            .target(
                name: "MediaClient",
                dependencies: ["Time", "Addresses", "ICE", "DTLS", "SRTP", "SDP"], path: "Tests/Support/MediaClient",
                swiftSettings: strict),
            tests(
                "SFUMedia",
                [
                    "MediaClient", "MediaInterface", "PacketIO", "RTP", "SDP", "ICE", "DTLS", "SRTP", "STUN",
                    "Addresses",
                    "Bytes", "Time", "CongestionControl", "LinkSimulator", "CAllocations",
                ]),
            tests("SFUNode", ["MediaInterface", "Bus", "Messages", "Time", logging]),
            tests("Signal", nio + ["Messages", "Store", "Time", logging, nioTLS, "RedisServer"]),
            tests("Turn", ["TURNServer", "STUN", "Bytes", "Addresses", "Time", "PacketIO", "CPacketIO"]),
        ],
    swiftLanguageModes: [.v6]
)
