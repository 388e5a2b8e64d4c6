import Foundation
import SwiftProtobufPluginLibrary

/// `protoc-gen-roost`: makes typed clients and servers of the bus from `.proto` services, as a plugin of protoc.
struct ProtocGenRoost: CodeGenerator {
    init() {}

    var supportedFeatures: [Google_Protobuf_Compiler_CodeGeneratorResponse.Feature] { [.proto3Optional] }

    func generate(
        files: [FileDescriptor], parameter: any CodeGeneratorParameter, protoCompilerContext: any ProtoCompilerContext,
        generatorOutputs: any GeneratorOutputs
    ) throws {
        for file in files where !file.services.isEmpty {
            let name = String(file.name.dropLast(".proto".count)) + ".roost.swift"
            try generatorOutputs.add(fileName: name, contents: FileWriter(file: file).text())
        }
    }
}

ProtocGenRoost.main()
