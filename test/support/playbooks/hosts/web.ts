import { defhost, via } from "consfigurator";
import { file } from "consfigurator/properties";

const here = { deploy: [via.local()] };

export const web1 = defhost("web1.example.org", here, file.hasContent("web1", "here"));
export const web2 = defhost("web2.example.org", here, file.hasContent("web2", "here"));
