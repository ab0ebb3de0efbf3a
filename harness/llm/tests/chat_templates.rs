//! The chat templates of real models around one message.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod support;

use gra_llm::chat_template::{Frame, TemplateError};

fn rendered(name: &str, message: &str) -> Option<String> {
    let template = std::fs::read_to_string(support::shared("models/chat-templates")?.join(name));
    let mut template = template.unwrap();
    if !name.contains('7') && !name.contains('8') {
        // The hand-written templates are indented for reading; see the README beside them.
        template = template.replace("    ", "").replace('\n', "");
    }
    let (bos, eos) = if name.starts_with("Llama") {
        ("<|begin_of_text|>", "<|eot_id|>")
    } else {
        ("<s>", "</s>")
    };
    Some(Frame::render(&template, bos, eos).unwrap().text(message))
}

#[test]
fn real_templates_render_as_their_models_expect() {
    let qwen = "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful \
                assistant.<|im_end|>\n<|im_start|>user\n Hi \n<|im_end|>\n<|im_start|>assistant\n";
    let llama = "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge \
                 Date: December 2023\nToday Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user\
                 <|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n";
    let cases = [
        ("Qwen2.5-7B-Instruct.jinja", qwen),
        ("Llama-3.1-8B-Instruct.jinja", llama),
        ("mistral-instruct.jinja", "<s>[INST] Hi [/INST]"),
        ("chatml.jinja", "<s><|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"),
        ("alpaca.jinja", "<s>### Instruction:\nHi\n\n### Response:\n"),
    ];
    for (name, expected) in cases {
        let Some(text) = rendered(name, " Hi \n") else { return };
        assert_eq!(text, expected, "{name}");
    }
}

#[test]
fn only_the_frame_holds_special_tokens() {
    let template = "{{ bos_token }}{% for m in messages %}[INST] {{ m.content | trim }} [/INST]\
                    {% endfor %}{% if add_generation_prompt %}ok {% endif %}";
    let frame = Frame::render(template, "<s>", "</s>").unwrap();
    let specials = ["<s>", "</s>", "[INST]", "[/INST]", ""].map(str::to_owned);
    let cut = frame.cut(&specials);
    assert_eq!((cut.head, cut.lead, cut.trail, cut.tail), ("<s>[INST]", " ", " ", "[/INST]ok "));
    assert_eq!(frame.message("\n a </s> b \n"), "a </s> b");
    let cut = frame.cut(&[]);
    assert_eq!((cut.head, cut.tail), ("", ""));
}

#[test]
fn broken_templates_are_errors() {
    let error = |template: &str| Frame::render(template, "", "").unwrap_err();
    assert!(matches!(error("{% for %}"), TemplateError::Render(_)));
    assert!(matches!(error("no message"), TemplateError::NoMessage));
    let twice = "{{ messages[0].content }}{{ messages[0].content }}";
    assert!(matches!(error(twice), TemplateError::NoMessage));
    let raised = error("{{ raise_exception('system role missing') }}");
    assert!(raised.to_string().contains("system role missing"), "{raised}");
    assert!(matches!(error("{{ strftime_now('%Y') }}"), TemplateError::Render(_)), "no clock");
}

#[test]
fn loops_that_break_and_python_methods_work() {
    let template = "{% for m in messages %}{{ m['content'].strip().replace('x', 'y') }}\
                    {% break %}{% endfor %}";
    assert_eq!(Frame::render(template, "", "").unwrap().text(" hi "), "hi");
}
