// Hands one edXML file to the axis with Node's `soap`, from the published WSDL alone: the proof that the service can be
// spoken to without our code. Takes a JSON object on standard input; says what came back as JSON.
import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import soap from "soap";
import { DOMParser } from "@xmldom/xmldom";
import { SignedXml } from "xml-crypto";

const EXC_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#";
const RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const DSIG = "http://www.w3.org/2000/09/xmldsig#";

const told = JSON.parse(readFileSync(0, "utf8"));
const file = readFileSync(told.file);
const sha256 = createHash("sha256").update(file).digest("hex");

const client = await soap.createClientAsync(told.wsdl, {}, told.url);
const security = () =>
  new soap.WSSecurityCert(readFileSync(told.key, "utf8"), readFileSync(told.certificate, "utf8"), "", {
    hasTimeStamp: true,
    signatureAlgorithm: RSA_SHA256,
    signatureTransformations: [EXC_C14N],
    signerOptions: { idMode: "wssecurity" },
  });

const signatureDigest = () => {
  const value = parse(client.lastRequest).getElementsByTagNameNS(DSIG, "SignatureValue")[0].textContent;
  return createHash("sha256").update(Buffer.from(value, "base64")).digest("base64");
};
const parse = (xml) => new DOMParser().parseFromString(xml, "text/xml");

async function ask(operation, fields, attachments = []) {
  client.setSecurity(security());
  const request = { RequestId: crypto.randomUUID(), SystemId: told.system, ...fields };
  const [reply] = await client[`${operation}Async`](request, { attachments });
  if (reply.RequestId !== request.RequestId || reply.RequestSignatureDigest !== signatureDigest()) {
    throw new Error("the reply belongs to another request");
  }
  return reply;
}

// Whether the receipt is signed as a whole by the axis's certificate, by this stack's own reading.
function verified(receipt) {
  const check = new SignedXml({ publicCert: new X509Certificate(readFileSync(told.axisCertificate)).toString() });
  check.loadSignature(parse(receipt).getElementsByTagNameNS(DSIG, "Signature")[0]);
  return check.checkSignature(receipt) && check.getSignedReferences().length === 1;
}

try {
  const contentId = `${told.messageId}@node`;
  const sent = await ask(
    "SendDocument",
    { MessageId: told.messageId, File: { ContentId: contentId, Size: file.length, Sha256: sha256 } },
    [{ mimetype: "application/octet-stream", contentId, name: "document.edxml", body: file }],
  );
  const found = await ask("FindMessage", { MessageId: told.messageId });
  const receipt = Buffer.from(sent.Receipt, "base64").toString("utf8");
  console.log(
    JSON.stringify({
      axisId: sent.AxisId,
      receipt: sent.Receipt,
      receiptVerified: verified(receipt),
      foundAgain: found.Found && found.AxisId === sent.AxisId && found.Receipt === sent.Receipt,
    }),
  );
} catch (error) {
  console.log(JSON.stringify({ fault: error.root?.Envelope?.Body?.Fault?.detail?.AxisFault ?? String(error) }));
  process.exitCode = 1;
}
