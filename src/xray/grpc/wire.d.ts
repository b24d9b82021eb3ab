import * as $protobuf from "protobufjs";
import Long = require("long");

export namespace wire {

    interface ITypedMessage extends wire.TypedMessage.$Properties {
    }

    class TypedMessage {
        constructor(properties?: wire.TypedMessage.$Properties);
        $unknowns?: Uint8Array[];
        type: string;
        value: Uint8Array;
        static encode(message: wire.TypedMessage.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.TypedMessage & wire.TypedMessage.$Shape;
    }

    namespace TypedMessage {
        interface $Properties {
            type?: (string|null);
            value?: (Uint8Array|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.TypedMessage.$Properties;
    }

    interface IUser extends wire.User.$Properties {
    }

    class User {
        constructor(properties?: wire.User.$Properties);
        $unknowns?: Uint8Array[];
        level: number;
        email: string;
        account?: (wire.TypedMessage.$Properties|null);
        static encode(message: wire.User.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.User & wire.User.$Shape;
    }

    namespace User {
        interface $Properties {
            level?: (number|null);
            email?: (string|null);
            account?: (wire.TypedMessage.$Properties|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.User.$Properties;
    }

    interface IVlessAccount extends wire.VlessAccount.$Properties {
    }

    class VlessAccount {
        constructor(properties?: wire.VlessAccount.$Properties);
        $unknowns?: Uint8Array[];
        id: string;
        flow: string;
        static encode(message: wire.VlessAccount.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.VlessAccount & wire.VlessAccount.$Shape;
    }

    namespace VlessAccount {
        interface $Properties {
            id?: (string|null);
            flow?: (string|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.VlessAccount.$Properties;
    }

    interface IVmessAccount extends wire.VmessAccount.$Properties {
    }

    class VmessAccount {
        constructor(properties?: wire.VmessAccount.$Properties);
        $unknowns?: Uint8Array[];
        id: string;
        static encode(message: wire.VmessAccount.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.VmessAccount & wire.VmessAccount.$Shape;
    }

    namespace VmessAccount {
        interface $Properties {
            id?: (string|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.VmessAccount.$Properties;
    }

    interface ITrojanAccount extends wire.TrojanAccount.$Properties {
    }

    class TrojanAccount {
        constructor(properties?: wire.TrojanAccount.$Properties);
        $unknowns?: Uint8Array[];
        password: string;
        static encode(message: wire.TrojanAccount.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.TrojanAccount & wire.TrojanAccount.$Shape;
    }

    namespace TrojanAccount {
        interface $Properties {
            password?: (string|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.TrojanAccount.$Properties;
    }

    interface IAddUserOperation extends wire.AddUserOperation.$Properties {
    }

    class AddUserOperation {
        constructor(properties?: wire.AddUserOperation.$Properties);
        $unknowns?: Uint8Array[];
        user?: (wire.User.$Properties|null);
        static encode(message: wire.AddUserOperation.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.AddUserOperation & wire.AddUserOperation.$Shape;
    }

    namespace AddUserOperation {
        interface $Properties {
            user?: (wire.User.$Properties|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.AddUserOperation.$Properties;
    }

    interface IRemoveUserOperation extends wire.RemoveUserOperation.$Properties {
    }

    class RemoveUserOperation {
        constructor(properties?: wire.RemoveUserOperation.$Properties);
        $unknowns?: Uint8Array[];
        email: string;
        static encode(message: wire.RemoveUserOperation.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.RemoveUserOperation & wire.RemoveUserOperation.$Shape;
    }

    namespace RemoveUserOperation {
        interface $Properties {
            email?: (string|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.RemoveUserOperation.$Properties;
    }

    interface IAlterInboundRequest extends wire.AlterInboundRequest.$Properties {
    }

    class AlterInboundRequest {
        constructor(properties?: wire.AlterInboundRequest.$Properties);
        $unknowns?: Uint8Array[];
        tag: string;
        operation?: (wire.TypedMessage.$Properties|null);
        static encode(message: wire.AlterInboundRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.AlterInboundRequest & wire.AlterInboundRequest.$Shape;
    }

    namespace AlterInboundRequest {
        interface $Properties {
            tag?: (string|null);
            operation?: (wire.TypedMessage.$Properties|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.AlterInboundRequest.$Properties;
    }

    interface IInboundUserRequest extends wire.InboundUserRequest.$Properties {
    }

    class InboundUserRequest {
        constructor(properties?: wire.InboundUserRequest.$Properties);
        $unknowns?: Uint8Array[];
        tag: string;
        email: string;
        static encode(message: wire.InboundUserRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.InboundUserRequest & wire.InboundUserRequest.$Shape;
    }

    namespace InboundUserRequest {
        interface $Properties {
            tag?: (string|null);
            email?: (string|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.InboundUserRequest.$Properties;
    }

    interface IInboundUsers extends wire.InboundUsers.$Properties {
    }

    class InboundUsers {
        constructor(properties?: wire.InboundUsers.$Properties);
        $unknowns?: Uint8Array[];
        users: wire.User.$Properties[];
        static encode(message: wire.InboundUsers.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.InboundUsers & wire.InboundUsers.$Shape;
    }

    namespace InboundUsers {
        interface $Properties {
            users?: (wire.User.$Properties[]|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.InboundUsers.$Properties;
    }

    interface IInboundUsersCount extends wire.InboundUsersCount.$Properties {
    }

    class InboundUsersCount {
        constructor(properties?: wire.InboundUsersCount.$Properties);
        $unknowns?: Uint8Array[];
        count: number;
        static encode(message: wire.InboundUsersCount.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.InboundUsersCount & wire.InboundUsersCount.$Shape;
    }

    namespace InboundUsersCount {
        interface $Properties {
            count?: (number|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.InboundUsersCount.$Properties;
    }

    interface IListInboundsRequest extends wire.ListInboundsRequest.$Properties {
    }

    class ListInboundsRequest {
        constructor(properties?: wire.ListInboundsRequest.$Properties);
        $unknowns?: Uint8Array[];
        isOnlyTags: boolean;
        static encode(message: wire.ListInboundsRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.ListInboundsRequest & wire.ListInboundsRequest.$Shape;
    }

    namespace ListInboundsRequest {
        interface $Properties {
            isOnlyTags?: (boolean|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.ListInboundsRequest.$Properties;
    }

    interface ITypeOnly extends wire.TypeOnly.$Properties {
    }

    class TypeOnly {
        constructor(properties?: wire.TypeOnly.$Properties);
        $unknowns?: Uint8Array[];
        type: string;
        static encode(message: wire.TypeOnly.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.TypeOnly & wire.TypeOnly.$Shape;
    }

    namespace TypeOnly {
        interface $Properties {
            type?: (string|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.TypeOnly.$Properties;
    }

    interface IRealityServer extends wire.RealityServer.$Properties {
    }

    class RealityServer {
        constructor(properties?: wire.RealityServer.$Properties);
        $unknowns?: Uint8Array[];
        serverNames: string[];
        shortIds: Uint8Array[];
        static encode(message: wire.RealityServer.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.RealityServer & wire.RealityServer.$Shape;
    }

    namespace RealityServer {
        interface $Properties {
            serverNames?: (string[]|null);
            shortIds?: (Uint8Array[]|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.RealityServer.$Properties;
    }

    interface ITlsServer extends wire.TlsServer.$Properties {
    }

    class TlsServer {
        constructor(properties?: wire.TlsServer.$Properties);
        $unknowns?: Uint8Array[];
        certificates: wire.TlsCertificate.$Properties[];
        static encode(message: wire.TlsServer.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.TlsServer & wire.TlsServer.$Shape;
    }

    namespace TlsServer {
        interface $Properties {
            certificates?: (wire.TlsCertificate.$Properties[]|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.TlsServer.$Properties;
    }

    interface ITlsCertificate extends wire.TlsCertificate.$Properties {
    }

    class TlsCertificate {
        constructor(properties?: wire.TlsCertificate.$Properties);
        $unknowns?: Uint8Array[];
        certificate: Uint8Array;
        usage: number;
        static encode(message: wire.TlsCertificate.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.TlsCertificate & wire.TlsCertificate.$Shape;
    }

    namespace TlsCertificate {
        interface $Properties {
            certificate?: (Uint8Array|null);
            usage?: (number|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.TlsCertificate.$Properties;
    }

    interface IStreamConfig extends wire.StreamConfig.$Properties {
    }

    class StreamConfig {
        constructor(properties?: wire.StreamConfig.$Properties);
        $unknowns?: Uint8Array[];
        securityType: string;
        securitySettings: wire.TypedMessage.$Properties[];
        protocolName: string;
        static encode(message: wire.StreamConfig.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.StreamConfig & wire.StreamConfig.$Shape;
    }

    namespace StreamConfig {
        interface $Properties {
            securityType?: (string|null);
            securitySettings?: (wire.TypedMessage.$Properties[]|null);
            protocolName?: (string|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.StreamConfig.$Properties;
    }

    interface IReceiverConfig extends wire.ReceiverConfig.$Properties {
    }

    class ReceiverConfig {
        constructor(properties?: wire.ReceiverConfig.$Properties);
        $unknowns?: Uint8Array[];
        streamSettings?: (wire.StreamConfig.$Properties|null);
        static encode(message: wire.ReceiverConfig.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.ReceiverConfig & wire.ReceiverConfig.$Shape;
    }

    namespace ReceiverConfig {
        interface $Properties {
            streamSettings?: (wire.StreamConfig.$Properties|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.ReceiverConfig.$Properties;
    }

    interface IInbound extends wire.Inbound.$Properties {
    }

    class Inbound {
        constructor(properties?: wire.Inbound.$Properties);
        $unknowns?: Uint8Array[];
        tag: string;
        receiverSettings?: (wire.TypedMessage.$Properties|null);
        proxySettings?: (wire.TypeOnly.$Properties|null);
        static encode(message: wire.Inbound.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.Inbound & wire.Inbound.$Shape;
    }

    namespace Inbound {
        interface $Properties {
            tag?: (string|null);
            receiverSettings?: (wire.TypedMessage.$Properties|null);
            proxySettings?: (wire.TypeOnly.$Properties|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.Inbound.$Properties;
    }

    interface IInbounds extends wire.Inbounds.$Properties {
    }

    class Inbounds {
        constructor(properties?: wire.Inbounds.$Properties);
        $unknowns?: Uint8Array[];
        inbounds: wire.Inbound.$Properties[];
        static encode(message: wire.Inbounds.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.Inbounds & wire.Inbounds.$Shape;
    }

    namespace Inbounds {
        interface $Properties {
            inbounds?: (wire.Inbound.$Properties[]|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.Inbounds.$Properties;
    }

    interface IEmpty extends wire.Empty.$Properties {
    }

    class Empty {
        constructor(properties?: wire.Empty.$Properties);
        $unknowns?: Uint8Array[];
        static encode(message: wire.Empty.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.Empty & wire.Empty.$Shape;
    }

    namespace Empty {
        interface $Properties {
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.Empty.$Properties;
    }

    interface ISysStats extends wire.SysStats.$Properties {
    }

    class SysStats {
        constructor(properties?: wire.SysStats.$Properties);
        $unknowns?: Uint8Array[];
        numGoroutine: number;
        alloc: number;
        uptime: number;
        static encode(message: wire.SysStats.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.SysStats & wire.SysStats.$Shape;
    }

    namespace SysStats {
        interface $Properties {
            numGoroutine?: (number|null);
            alloc?: (number|null);
            uptime?: (number|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.SysStats.$Properties;
    }

    interface IStatRequest extends wire.StatRequest.$Properties {
    }

    class StatRequest {
        constructor(properties?: wire.StatRequest.$Properties);
        $unknowns?: Uint8Array[];
        name: string;
        static encode(message: wire.StatRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
        static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): wire.StatRequest & wire.StatRequest.$Shape;
    }

    namespace StatRequest {
        interface $Properties {
            name?: (string|null);
            $unknowns?: Uint8Array[];
        }
        type $Shape = wire.StatRequest.$Properties;
    }
}
