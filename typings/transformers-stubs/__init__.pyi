"""The names of transformers' top level that are used here; elsewhere its own files are read.

Given all of the top level, a type checker binds every model's package: a fifth of the time of `make types`.
"""

from . import modeling_utils as modeling_utils
from .cache_utils import DynamicCache as DynamicCache
from .configuration_utils import PreTrainedConfig as PreTrainedConfig
from .generation.configuration_utils import GenerationConfig as GenerationConfig
from .modeling_utils import AttentionInterface as AttentionInterface
from .modeling_utils import PreTrainedModel as PreTrainedModel
from .models.auto.modeling_auto import AutoModelForCausalLM as AutoModelForCausalLM
from .models.auto.modeling_auto import AutoModelForSequenceClassification as AutoModelForSequenceClassification
from .models.auto.tokenization_auto import AutoTokenizer as AutoTokenizer
from .models.bloom.configuration_bloom import BloomConfig as BloomConfig
from .models.cohere.configuration_cohere import CohereConfig as CohereConfig
from .models.gemma2.configuration_gemma2 import Gemma2Config as Gemma2Config
from .models.gemma3.configuration_gemma3 import Gemma3TextConfig as Gemma3TextConfig
from .models.gpt2.configuration_gpt2 import GPT2Config as GPT2Config
from .models.gpt2.modeling_gpt2 import GPT2LMHeadModel as GPT2LMHeadModel
from .models.granite.configuration_granite import GraniteConfig as GraniteConfig
from .models.llama.configuration_llama import LlamaConfig as LlamaConfig
from .models.llama.modeling_llama import LlamaForCausalLM as LlamaForCausalLM
from .models.mamba.configuration_mamba import MambaConfig as MambaConfig
from .models.opt.configuration_opt import OPTConfig as OPTConfig
from .models.phi3.configuration_phi3 import Phi3Config as Phi3Config
from .models.qwen2.configuration_qwen2 import Qwen2Config as Qwen2Config
from .models.qwen2.modeling_qwen2 import Qwen2ForCausalLM as Qwen2ForCausalLM
from .models.qwen3.configuration_qwen3 import Qwen3Config as Qwen3Config
from .models.qwen3.modeling_qwen3 import Qwen3ForCausalLM as Qwen3ForCausalLM
from .tokenization_utils_base import PreTrainedTokenizerBase as PreTrainedTokenizerBase
from .tokenization_utils_tokenizers import PreTrainedTokenizerFast as PreTrainedTokenizerFast
from .trainer_callback import TrainerCallback as TrainerCallback
